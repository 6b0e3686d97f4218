"""Texts as people write them, as far as an index can tell: few words are common, most are rare.

A text has ten words on average, by Zipf's law: a million words have some 80,000 distinct ones. One
in fifty ends with an address that nobody writes twice.
"""

from random import Random

_ONSETS = "b br c ch d dr f fl g gr h j k kl l m n p pr qu r s sch st t tr v w z"
_NUCLEI = "a e i o u ai ea ie oo ou"
_CODAS = ["", "", "n", "r", "l", "s", "t", "nd", "ng", "st", "ck"]
_VOCABULARY = 200_000
_EXPONENT = 1.2
_OFFSET = 5  # the commonest words are not that common


class Texts:
    """Makes them; the same for the same `random`."""

    def __init__(self, random: Random) -> None:
        self._random = random
        # Rare words are longer: one syllable up to three.
        self.words = list(
            dict.fromkeys(self._word(1 + len(str(n)) // 3) for n in range(_VOCABULARY))
        )

    def text(self) -> str:
        count = 1 + int(self._random.expovariate(1 / 9.5))
        words = [self._pick() for _ in range(min(count, 200))]
        if self._random.random() < 0.02:
            words.append(f"https://example.org/{self._random.getrandbits(48):012x}")
        return " ".join(words)

    def name(self) -> str:
        return self._random.choice(self.words[:5_000]).title()

    def _pick(self) -> str:
        rest = 1 - _EXPONENT
        first, last = _OFFSET**rest, (_OFFSET + len(self.words)) ** rest
        place = (first + self._random.random() * (last - first)) ** (1 / rest)
        return self.words[min(int(place) - _OFFSET, len(self.words) - 1)]

    def _word(self, syllables: int) -> str:
        choice, onsets, nuclei = self._random.choice, _ONSETS.split(), _NUCLEI.split()
        return "".join(choice(onsets) + choice(nuclei) + choice(_CODAS) for _ in range(syllables))
