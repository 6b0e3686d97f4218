"""The list of requirements, and what is made from it."""

import runpy
import subprocess
import sys
from pathlib import Path
from unittest import TestCase

CHECKOUT = Path(__file__).resolve().parents[2]
LIST = CHECKOUT / "synapse" / "python_dependencies.py"


class RequirementsTestCase(TestCase):
    def setUp(self) -> None:
        declared = runpy.run_path(str(LIST))
        self.requirements: list[str] = declared["REQUIREMENTS"]
        self.extras: dict[str, list[str]] = declared["EXTRAS"]

    def test_the_list_is_printed_without_any_package_installed(self) -> None:
        printed = subprocess.run(
            [sys.executable, "-S", str(LIST)], capture_output=True, text=True, check=True
        )
        self.assertEqual(printed.stdout.splitlines(), self.requirements)

    def test_xargs_takes_each_requirement_as_one_word(self) -> None:
        for requirement in self.requirements:
            with self.subTest(requirement=requirement):
                self.assertNotRegex(requirement, r"[\s'\"\\;]")

    def test_there_is_an_exact_version_for_each(self) -> None:
        pinned = {
            _name(line)
            for line in (CHECKOUT / "constraints.txt").read_text().splitlines()
            if not line.startswith("#")
        }
        for requirement in self.requirements + self.extras["dev"]:
            with self.subTest(requirement=requirement):
                self.assertIn(_name(requirement), pinned)

    def test_what_is_used_is_tested(self) -> None:
        for name in ("postgres", "url-preview"):
            with self.subTest(extra=name):
                self.assertLessEqual(set(self.extras[name]), set(self.extras["dev"]))

    def test_all_is_all(self) -> None:
        for name, extra in self.extras.items():
            if name != "dev":
                self.assertLessEqual(set(extra), set(self.extras["all"]), name)


def _name(requirement: str) -> str:
    name = requirement.partition("=")[0].partition(">")[0]
    return name.lower().replace("_", "-")
