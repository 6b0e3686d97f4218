"""Tokens are opaque to clients, but not to us."""

from synapse.api.errors import InvalidParam
from synapse.streams.tokens import SyncToken, parse_timeline_token, timeline_token, tries_of
from tests.case import TestCase

WRONG = (
    "",
    "s",
    "s1",
    "s1_",
    "s_1",
    "s1_2_3",
    "s-1_2",
    "s1_2_d",
    "s1_2_d-3",
    "s1_2_x3",
    "s1_2_d3_4",
    "t",
    "t5_",
    "t5_10",
    "t5_-1",
    "5",
    "x5",
    "s1_2\n",
    "s\u0661_1",
    "s" + "9" * 30,
)


class TokenTests(TestCase):
    def test_there_and_back(self) -> None:
        for token in (SyncToken(0, 0), SyncToken(123, 45), SyncToken(2**53, 1), SyncToken(9, 1, 0)):
            self.assertEqual(SyncToken.parse(str(token)), token)
        for pos in (0, 7, -3):
            for tries in (0, 3):
                place = timeline_token(pos, tries)
                self.assertEqual((parse_timeline_token(place), tries_of(place)), (pos, tries))

    def test_messages_may_be_told_less_far(self) -> None:
        for text, position, messages in (("s9_1", 9, 9), ("s9_1_d5", 9, 5)):
            token = SyncToken.parse(text)
            self.assertEqual((token.position, token.messages), (position, messages))
        # A `pos` of sliding sync, whose connection is called like this.
        self.assertEqual(SyncToken.parse("s9_1_d12345678901_5"), SyncToken(9, 1))

    def test_what_is_none_of_ours_is_refused(self) -> None:
        for text in WRONG:
            for parse in (SyncToken.parse, parse_timeline_token, tries_of):
                with self.subTest(text=text), self.assertRaises(InvalidParam):
                    parse(text)
