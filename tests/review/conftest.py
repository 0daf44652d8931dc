"""The corpora and the browser of tests/report, for the review app."""

from tests.report.conftest import browser, hostile_clean, tame_clean

__all__ = ["browser", "hostile_clean", "tame_clean"]
