"""The words of a text, as search knows them: without case, accents and width of letters.

A run of letters and digits is a word. Scripts that write without spaces have no such runs, so their
text is cut into pairs of neighbours: 東京都 gives 東京, 京都 and, for who searches the last
character, 都. All of them are found by how they begin.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

# Longer ones are cut off: nobody types them, and PostgreSQL takes no lexeme over 2 KiB.
_MAX_LENGTH: Final = 64
_MAX_SEARCHED: Final = 20

# Thai, Lao, Myanmar, Khmer, Hiragana, Katakana, Han.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff"
_RUN = re.compile(f"([{_UNSPACED}]+)|[^\\W_{_UNSPACED}]+")


def words(text: str) -> list[str]:
    """The words under which a text is found: no white space, nothing but letters and digits."""
    found: list[str] = []
    for run in _RUN.finditer(_folded(text)):
        if run[1] is None:
            found.append(run[0][:_MAX_LENGTH])
        else:
            found += (run[0][start : start + 2] for start in range(len(run[0])))
    return found


def searched_words(text: str) -> list[str]:
    """What the words of a text that is found by this search term begin with."""
    found: list[str] = []
    for run in _RUN.finditer(_folded(text)):
        if run[1] is None:
            found.append(run[0][:_MAX_LENGTH])
        else:
            pairs = range(max(1, len(run[0]) - 1))
            found += (run[0][start : start + 2] for start in pairs)
    return list(dict.fromkeys(found))[:_MAX_SEARCHED]


def found_words(text: str, searched: tuple[str, ...]) -> Iterator[str]:
    """As the text writes them, in lower case: the words for which a search finds it."""
    for run in _RUN.finditer(text.lower()):
        folded = _folded(run[0])
        if run[1] is not None:
            yield from (start for start in searched if start in folded)
        elif folded.startswith(searched):
            yield run[0]


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    letters = unicodedata.normalize("NFKD", text)
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    # Composed again, since a Korean syllable is one character.
    return unicodedata.normalize("NFC", bare.casefold())
