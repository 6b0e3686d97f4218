"""trial's test case, with the types of unittest's assertions, which trial's own are without."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unittest import TestCase
else:
    from twisted.trial.unittest import TestCase

__all__ = ["TestCase"]
