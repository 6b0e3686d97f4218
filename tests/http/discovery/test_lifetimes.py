"""For how long what a .well-known file says is believed."""

from synapse.http.discovery.lifetimes import failure_s, lifetime_s
from tests.case import TestCase

HOUR = 3600.0

LIFETIMES = [
    # headers, seconds
    ({}, 24 * HOUR),
    ({"cache-control": "max-age=7200"}, 2 * HOUR),
    ({"cache-control": "public, Max-Age=7200, must-revalidate"}, 2 * HOUR),
    ({"cache-control": 'max-age="7200"'}, 2 * HOUR),
    ({"cache-control": "max-age=7200", "age": "3600"}, HOUR),
    ({"cache-control": "max-age=999999999"}, 48 * HOUR),
    ({"cache-control": "max-age=99999999999999999999"}, 24 * HOUR),
    ({"cache-control": "max-age=0"}, 300.0),
    ({"cache-control": "no-store"}, 300.0),
    ({"cache-control": "no-cache, max-age=7200"}, 300.0),
    ({"cache-control": "nonsense"}, 24 * HOUR),
    (
        {
            "date": "Wed, 01 Jul 2026 10:00:00 GMT",
            "expires": "Wed, 01 Jul 2026 12:00:00 GMT",
        },
        2 * HOUR,
    ),
    (
        {
            "cache-control": "max-age=3600",
            "date": "Wed, 01 Jul 2026 10:00:00 GMT",
            "expires": "Wed, 01 Jul 2026 12:00:00 GMT",
        },
        HOUR,
    ),
    ({"expires": "Wed, 01 Jul 2026 12:00:00 GMT"}, 300.0),
    ({"date": "Wed, 01 Jul 2026 12:00:00 GMT", "expires": "0"}, 300.0),
    ({"date": "x", "expires": "Wed, 01 Jul 2026 12:00:00 GMT"}, 300.0),
]


class LifetimeTests(TestCase):
    def test_headers_say_it_within_bounds(self) -> None:
        for headers, seconds in LIFETIMES:
            with self.subTest(headers=headers):
                self.assertEqual(lifetime_s(headers), seconds)

    def test_failures_are_remembered_for_longer_each_time(self) -> None:
        self.assertEqual(
            [failure_s(n) for n in (1, 2, 3, 6, 7, 1000)], [60, 120, 240, 1920, 3600, 3600]
        )
