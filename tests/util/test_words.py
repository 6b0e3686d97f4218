"""The words of texts, and which of them a search term finds."""

from unittest import TestCase

from synapse.util.words import found_words, searched_words, words

WORDS = [
    ("", []),
    (" \n!?…🙂", []),
    ("Hello, World!", ["hello", "world"]),
    ("Don't snake_case e-mail #42", ["don", "t", "snake", "case", "e", "mail", "42"]),
    ("Ärger Straße ŁÓDŹ ﬁne ４２", ["arger", "strasse", "łodz", "fine", "42"]),
    ("Ελλάδα МОСКВА", ["ελλαδα", "москва"]),
    ("한국어 학교", ["한국어", "학교"]),
    ("東京都へ", ["東京", "京都", "都へ", "へ"]),
    ("Tokyo東京9", ["tokyo", "東京", "京", "9"]),
    ("x" * 100, ["x" * 64]),
    ("a\0b\u202ec\ufffd", ["a", "b", "c"]),
]
FOUND = [
    # text, search term, whether it is found
    ("Martians and men", "MART men", True),
    ("Martians and men", "artians", False),
    ("東京都", "京", True),
    ("東京都", "都", True),
    ("東京都", "東京都", True),
    ("東京都", "東都", False),
    ("café", "CAFE", True),
    ("cafe", "café", True),
]


class WordsTests(TestCase):
    def test_words(self) -> None:
        for text, expected in WORDS:
            with self.subTest(text=text):
                self.assertEqual(words(text), expected)

    def test_found(self) -> None:
        for text, term, expected in FOUND:
            with self.subTest(text=text, term=term):
                found = all(
                    any(word.startswith(start) for word in words(text))
                    for start in searched_words(term)
                )
                self.assertEqual(found, expected)

    def test_found_words_are_as_the_text_writes_them(self) -> None:
        for text, term, expected in (
            ("Martians, and MARTÍN's (men)", "mart me", ["martians", "martín", "men"]),
            ("我们在東京都见面 tea", "東京都 tea", ["東京", "京都", "tea"]),
            ("nothing", "some", []),
        ):
            with self.subTest(text=text):
                found = list(found_words(text, tuple(searched_words(term))))
                self.assertEqual(found, expected)

    def test_terms_are_bounded(self) -> None:
        self.assertEqual(len(searched_words(" ".join(map(str, range(1_000))))), 20)
        self.assertEqual(searched_words("a A ä"), ["a"])
