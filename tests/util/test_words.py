"""The words of texts, and which of them a search term finds."""

from unittest import TestCase

from synapse.util.words import (
    found_words,
    may_be_part,
    parts,
    parts_within,
    searched_terms,
    searched_words,
    words,
)

WORDS = [
    ("", []),
    (" \n!?…🙂", []),
    ("Hello, World!", ["hello", "world"]),
    ("Don't snake_case e-mail #42", ["don", "t", "snake", "case", "e", "mail", "42"]),
    ("Ärger Straße ŁÓDŹ ﬁne ４２", ["arger", "strasse", "łodz", "fine", "42"]),
    ("Ελλάδα МОСКВА", ["ελλαδα", "москва"]),
    ("שָׁלוֹם العَرَبِيَّة", ["שלום", "العربية"]),
    ("한국어 학교", ["한국어", "학교"]),
    ("हिन्दी, தமிழ்। བོད་ཡིག", ["हिन्दी", "தமிழ்", "བོད", "ཡིག"]),
    ("東京都へ", ["東京", "京都", "都へ", "へ"]),
    ("人々 ｶｷﾞ・かき", ["人々", "々", "カギ", "ギ", "かき", "き"]),
    ("ไกล้", ["ไก", "กล", "ล้", "้"]),
    ("Tokyo東京9", ["tokyo", "東京", "京", "9"]),
    ("x" * 100, ["x" * 64]),
    ("a\0b\u202ec\ufffd", ["a", "b", "c"]),
]
TERMS = [
    ("Green TEA, green", [("green",), ("tea",)]),
    ("東京都 tea", [("東京", "京都"), ("tea",)]),
    ("京", [("京",)]),
]
FOUND = [
    # text, search term, whether its words are found by how they begin
    ("Martians and men", "MART men", True),
    ("Martians and men", "artians", False),
    ("東京都", "京", True),
    ("東京都", "都", True),
    ("東京都", "東京都", True),
    ("東京都", "東都", False),
    ("café", "CAFE", True),
    ("cafe", "café", True),
]
PARTS = [
    # word, search term, whether it stands behind the word's first letter
    ("women", "men", True),
    ("women", "omen", True),
    ("women", "wom", False),  # found by how the word begins
    ("комната", "ната", True),
    ("대학교", "학교", True),
    ("donaudampfschiff", "dampfs", True),
    ("tea", "ea", False),  # too short to be looked for
    ("x" * 31, "xxx", False),  # no word of a language
]


class WordsTests(TestCase):
    def test_words(self) -> None:
        for text, expected in WORDS:
            with self.subTest(text=text):
                self.assertEqual(words(text), expected)

    def test_terms(self) -> None:
        for text, expected in TERMS:
            with self.subTest(text=text):
                self.assertEqual(searched_terms(text), expected)

    def test_found(self) -> None:
        for text, term, expected in FOUND:
            with self.subTest(text=text, term=term):
                found = all(
                    any(word.startswith(start) for word in words(text))
                    for start in searched_words(term)
                )
                self.assertEqual(found, expected)

    def test_parts(self) -> None:
        for word, term, expected in PARTS:
            with self.subTest(word=word, term=term):
                searched = parts_within(term)
                found = bool(searched) and set(searched) <= set(parts(word))
                self.assertEqual(found, expected)

    def test_which_words_may_be_parts(self) -> None:
        for word, expected in (("men", True), ("me", False), ("학교", True), ("東京", False)):
            with self.subTest(word=word):
                self.assertEqual(may_be_part(word), expected)

    def test_found_words_are_as_the_text_writes_them(self) -> None:
        for text, term, expected in (
            ("Martians, and MARTÍN's (men)", "mart me", ["martians", "martín", "men"]),
            ("Women comment", "men", ["women", "comment"]),
            ("steam", "ea", []),
            ("我们在東京都见面 tea", "東京都 tea", ["東京都", "tea"]),
            ("nothing", "some", []),
        ):
            with self.subTest(text=text):
                self.assertEqual(list(found_words(text, searched_terms(term))), expected)

    def test_terms_are_bounded(self) -> None:
        self.assertEqual(len(searched_terms(" ".join(map(str, range(1_000))))), 20)
        self.assertEqual(len(searched_words("".join(map(chr, range(0x4E00, 0x5000))))), 20)
        self.assertEqual(searched_words("a A ä"), ["a"])
