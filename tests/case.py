"""trial's test case, with the types of unittest's assertions, which trial's own are without."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unittest import TestCase as _TestCase
else:
    from twisted.trial.unittest import TestCase as _TestCase


class TestCase(_TestCase):
    """A test that hangs fails; one that is slow is only slow."""

    timeout = 600
