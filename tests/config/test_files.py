"""Reading YAML: several files, directories, and every way to write it wrong."""

from unittest import TestCase

from synapse.config.files import parse_yaml, read_settings
from tests.config.builders import InDirectory, error_from

WRONG: list[tuple[bytes, str]] = [
    (b"a: [1, 2\nb: 3\n", "f.yaml, line 2, column 2: is not valid YAML"),
    (b"a: 1\n  b: 2\n", "f.yaml, line 2, column 4: is not valid YAML"),
    (b"a: 1\nb: 2\na: 3\n", "f.yaml, line 3, column 1: is not valid YAML: the key 'a' stands here"),
    (b"x:\n  a: 1\n  a: 2\n", "f.yaml, line 3, column 3"),
    (b"- a\n- b\n", "f.yaml: is a list, but must be keys and values"),
    (b"just text", 'f.yaml: is "just text", but must be keys and values'),
    (b"5: x\n", "f.yaml: the key 5 is not a text: put it in quotes"),
    (b"on: x\n", "f.yaml: the key true is not a text"),
    (b"a: \xff\n", "f.yaml, line 1: is not UTF-8 text"),
    (b"a: 1\n---\nb: 2\n", "f.yaml, line 2, column 1: is not valid YAML"),
    (b"a: !!python/object:os.system x\n", "f.yaml, line 1, column 4: is not valid YAML"),
    (b"a: 2001-99-99\n", "f.yaml: has a value that can't be read"),
    (b"a: *nothing\n", "f.yaml, line 1, column 4: is not valid YAML"),
    (b"a: \x07\n", "f.yaml"),
    (b"a:\t- b\n", "f.yaml"),
    (b"? [a, b]\n: c\n", "f.yaml"),
    (b"a: " + b"[" * 20_000, "f.yaml"),
    (b"a: " + b"9" * 5000, "f.yaml: has a value that can't be read"),
]


class YamlTest(TestCase):
    def test_wrong_yaml_is_one_line_that_names_the_file(self) -> None:
        for content, expected in WRONG:
            with self.subTest(content=content[:30]):
                error = error_from(parse_yaml, content, "f.yaml")
                self.assertIn(expected, error)
                self.assertNotIn("\n", error)

    def test_empty_file_is_an_empty_configuration(self) -> None:
        for content in (b"", b"# nothing\n", b"\xef\xbb\xbf"):
            with self.subTest(content=content):
                self.assertEqual(parse_yaml(content, "f.yaml"), {})

    def test_merge_keys_are_no_duplicates(self) -> None:
        content = b"x: &x {a: 1}\ny: &y {b: 2}\nz:\n  <<: *x\n  <<: *y\n  a: 3\n"
        self.assertEqual(parse_yaml(content, "f.yaml")["z"], {"a": 3, "b": 2})


class SeveralFilesTest(InDirectory):
    def test_later_files_win_key_by_key(self) -> None:
        one = self.write("one.yaml", "server_name: a\ncaches: {global_factor: 1, x: 1}\n")
        two = self.write("two.yaml", "caches: {global_factor: 2}\n")
        settings = read_settings([one, two])
        self.assertEqual(settings.values, {"server_name": "a", "caches": {"global_factor": 2}})
        self.assertEqual(settings.files, {"server_name": one, "caches": two})

    def test_directory_stands_for_its_yaml_files_in_order(self) -> None:
        self.write("20.yaml", "a: 20\n")
        self.write("10.yaml", "a: 10\nb: 10\n")
        self.write("30.yaml.bak", "a: 30\n")
        self.assertEqual(read_settings(["."]).values, {"a": 20, "b": 10})

    def test_directory_without_yaml_files_is_an_error(self) -> None:
        self.assertIn("has no files named *.yaml", error_from(read_settings, ["."]))

    def test_missing_file_is_one_line_that_says_how_to_make_it(self) -> None:
        error = error_from(read_settings, ["nix.yaml"])
        self.assertIn("nix.yaml: there is no such file", error)
        self.assertIn("--generate-config", error)
