"""Whatever YAML holds, the answer is a configuration or a `ConfigError`."""

from typing import Any
from unittest import TestCase

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from synapse.config.errors import ConfigError
from synapse.config.files import Settings, parse_yaml
from synapse.config.homeserver import HomeserverConfig
from synapse.config.known_keys import NOT_SUPPORTED_YET
from synapse.config.old_forms import OLD_KEYS
from synapse.config.parser import parse, top_level_keys
from synapse.config.place import Place, show
from tests.config.test_sample import all_keys

KEYS = sorted({*top_level_keys(), *OLD_KEYS, *NOT_SUPPORTED_YET})
INNER_KEYS = sorted(all_keys(HomeserverConfig))

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.dates(),
    st.binary(max_size=5),
    st.sampled_from(
        ["1h", "50M", "http", "sqlite3", "psycopg2", "client", "/x", "yes", ":memory:"]
    ),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(INNER_KEYS), scalars), inner, max_size=5),
    ),
    max_leaves=12,
)


class FuzzTest(TestCase):
    @settings(max_examples=300, deadline=None)
    @given(st.dictionaries(st.sampled_from(KEYS), values, max_size=4))
    def test_any_values_are_parsed_or_refused(self, given_values: dict[str, object]) -> None:
        values: dict[str, object] = {"server_name": "a.b", **given_values}
        read = Settings(values=values)
        try:
            parse(read)
        except ConfigError as error:
            self.assertNotIn("\n", str(error))
        for warning in read.warnings:
            self.assertNotIn("\n", warning)

    @settings(max_examples=200, deadline=None)
    @given(st.sampled_from(KEYS), values)
    def test_every_key_alone_is_parsed_or_refused(self, key: str, value: object) -> None:
        try:
            parse(Settings(values={"server_name": "a.b", key: value}))
        except ConfigError as error:
            self.assertTrue(str(error))

    @settings(max_examples=200, deadline=None)
    @given(st.one_of(st.binary(max_size=60), st.text("[]{}:-&*!?|>'\"# \n\ta1", max_size=40)))
    def test_any_file_is_read_or_refused(self, content: bytes | str) -> None:
        data = content if isinstance(content, bytes) else content.encode()
        try:
            parse_yaml(data, "f.yaml")
        except ConfigError as error:
            self.assertNotIn("\n", str(error))

    @given(values)
    def test_what_is_dumped_is_read_again(self, value: Any) -> None:
        text = yaml.safe_dump({"key": value}, allow_unicode=False)
        try:
            parse_yaml(text.encode("utf-8", "surrogatepass"), "f.yaml")
        except ConfigError as error:
            self.assertTrue(str(error).startswith("f.yaml"))

    @given(values)
    def test_shown_values_stay_on_one_line(self, value: object) -> None:
        self.assertNotIn("\n", show(value))
        self.assertNotIn("\n", Place("a").key(value).path)
