"""The words of a text, as search knows them: without case, accents and width of letters.

A run of letters and digits is a word. Scripts that write without spaces have no such runs, so their
text is cut into pairs of neighbours: 東京都 gives 東京, 京都 and, for who searches the last
character, 都. All of them are found by how they begin; a search for several characters is one for
pairs that follow one another (`Term`).
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

# Longer ones are cut off: nobody types them, and PostgreSQL takes no lexeme over 2 KiB.
_MAX_LENGTH: Final = 64
_MAX_SEARCHED: Final = 20
# Shorter parts stand in too many words, and longer words are identifiers.
_PART_LENGTH: Final = 3
_MAX_LENGTH_WITH_PARTS: Final = 30

# Thai, Lao, Myanmar, Khmer, the repetition mark, Hiragana, Katakana without its punctuation, Han.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff"
    "\u3400-\u9fff\U00020000-\U0003ffff"
)
# Scripts whose vowels are marks, which \w doesn't know: Thaana, those of India, Tibetan.
_MARKED = "\u0780-\u07b1\u0900-\u0963\u0966-\u096f\u0971-\u0df3\u0f40-\u0fbc"
_RUN = re.compile(f"([{_UNSPACED}]+)|(?:[^\\W_{_UNSPACED}]|[{_MARKED}])+")

# What a text must hold to be found: a word that begins so or, if there are several, words that
# follow one another.
Term = tuple[str, ...]


def words(text: str) -> list[str]:
    """The words under which a text is found: no white space, nothing but letters and digits."""
    found: list[str] = []
    for run in _RUN.finditer(_folded(text)):
        if run[1] is None:
            found.append(run[0][:_MAX_LENGTH])
        else:
            found += (run[0][start : start + 2] for start in range(len(run[0])))
    return found


def searched_terms(text: str) -> list[Term]:
    """What a text holds that is found by this search term."""
    found: dict[Term, None] = {}
    room = _MAX_SEARCHED
    for run in _RUN.finditer(_folded(text)):
        if room <= 0:
            break
        if run[1] is None:
            term: Term = (run[0][:_MAX_LENGTH],)
        else:
            pairs = range(min(room, max(1, len(run[0]) - 1)))
            term = tuple(run[0][start : start + 2] for start in pairs)
        if term not in found:
            found[term] = None
            room -= len(term)
    return list(found)


def searched_words(text: str) -> list[str]:
    """What the words of a text that is found by this search term begin with, in any order."""
    return list(dict.fromkeys(word for term in searched_terms(text) for word in term))


def found_words(text: str, terms: Sequence[Term]) -> Iterator[str]:
    """As the text writes them, in lower case: the words for which a search finds it."""
    runs = [_run_of(term) for term in terms]
    starts = tuple(runs)
    parts = [run for run in runs if may_be_part(run)]
    for match in _RUN.finditer(text.lower()):
        folded = _folded(match[0])
        if match[1] is not None:
            yield from (run for run in runs if run in folded)
        elif folded.startswith(starts) or any(part in folded for part in parts):
            yield match[0]


def is_spaced(word: str) -> bool:
    """Whether a word is one of a script with spaces, and not a pair of characters."""
    run = _RUN.match(word)
    return run is not None and run[1] is None


def may_be_part(word: str) -> bool:
    """Whether a searched word is looked for in the middle of words, too."""
    return len(_letters(word)) >= _PART_LENGTH and is_spaced(word)


def parts(word: str) -> list[str]:
    """By which a word is found that is searched by its middle or end.

    Whatever is longer and stands in the word behind its first letter has all its `parts_within`
    among these.
    """
    if len(word) > _MAX_LENGTH_WITH_PARTS or not is_spaced(word):
        return []
    return _trigrams(_letters(word)[1:])


def parts_within(word: str) -> list[str]:
    """The parts of a searched word."""
    return _trigrams(_letters(word))


def _trigrams(letters: str) -> list[str]:
    starts = range(len(letters) - _PART_LENGTH + 1)
    return list(dict.fromkeys(letters[start : start + _PART_LENGTH] for start in starts))


def _letters(word: str) -> str:
    # A Korean syllable is up to three letters.
    return word if word.isascii() else unicodedata.normalize("NFD", word)


def _run_of(term: Term) -> str:
    """The searched text behind a term."""
    return term[0] + "".join(pair[1:] for pair in term[1:])


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    letters = unicodedata.normalize("NFKD", text)
    bare = "".join(letter for letter in letters if not _is_accent(letter))
    # Composed again, since a Korean syllable is one character.
    return unicodedata.normalize("NFC", bare.casefold())


def _is_accent(letter: str) -> bool:
    """Whether a mark may be left out, as accents and the vowel points of Hebrew and Arabic are.

    Those of India, Thailand and Japan (が is not か) may not: they make other words.
    """
    if letter == "\u200d":  # joins letters that would be joined without it
        return True
    kind = unicodedata.combining(letter)
    return kind == 1 or 10 <= kind <= 36 or kind >= 200
