"""Profiles are read out of member events, whatever stands in these."""

import json
from typing import Any

from synapse.handlers.room_state import profile_in
from tests.case import TestCase

TEXTS = ("", "bob", 'a "quoted" \\ one', "Ünï\n\u0000", "😀")
NO_TEXTS: tuple[Any, ...] = (None, 1, -0.5, 10**30, True, [], ["bob"], {"displayname": "x"})


class ProfileTests(TestCase):
    def profile(self, content: dict[str, Any]) -> Any:
        event = {"auth_events": ["$a"], "content": content, "displayname": "not this one"}
        return json.loads(profile_in(json.dumps(event, ensure_ascii=False).encode()))

    def test_texts_are_told(self) -> None:
        for text in TEXTS:
            with self.subTest(text=text):
                content = {"avatar_url": text, "displayname": text, "membership": "join"}
                self.assertEqual(self.profile(content), {"avatar_url": text, "display_name": text})

    def test_all_else_is_not(self) -> None:
        for value in NO_TEXTS:
            with self.subTest(value=value):
                content = {"avatar_url": "mxc://a/b", "displayname": value}
                self.assertEqual(self.profile(content), {"avatar_url": "mxc://a/b"})
        self.assertEqual(self.profile({}), {})
