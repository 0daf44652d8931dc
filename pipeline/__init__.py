"""clean-corpus: scraped documents in, a clean canonical corpus and a report of everything removed out."""

__version__ = "0.1.0"
