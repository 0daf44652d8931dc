"""All stages together over one document: what they give is a fixed point."""

from __future__ import annotations

import pytest

from pipeline.config import Config
from pipeline.document import Document
from pipeline.run.cleaning import clean_document

HEADLINE = "Night ferry to Skarholm returns after eleven years"
BODY = (
    "The night ferry will sail again from the first of June, eleven years after the county cancelled it for money.\n\n"
    "The new operator signed the contract on Thursday evening in the canteen of the fish hall, said its chairman.\n\n"
    "She carries 180 passengers and 22 cars and needs two hours for the crossing, the operator said on Friday.\n"
)


@pytest.mark.parametrize(
    ("text", "title", "opens"),
    [
        (f"    {HEADLINE}\n\n{BODY}", HEADLINE, "The night ferry"),
        (f"Advertisement\n\n\t{HEADLINE}\n\n{BODY}", HEADLINE, "The night ferry"),
        (f"<b>Fish</b> &amp; chips are sold on board again, says the cook.\n\n{BODY}", None, "Fish & chips"),
    ],
    ids=["an indented headline", "an indented headline below an ad", "entities beside tags"],
)
def test_cleaning_what_was_cleaned_changes_nothing(text: str, title: str | None, opens: str) -> None:
    """One pass does what a second would do: blanks, tags and ads that go may bring to light what stood behind them."""
    once = clean_document(Document("a.txt", text, "text"), Config())
    assert (once.title, once.text[: len(opens)]) == (title, opens)
    twice = clean_document(Document("a.md", once.text, "markdown", title=once.title), Config())
    assert (twice.text, twice.title) == (once.text, once.title)
