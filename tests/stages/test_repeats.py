"""What is said twice goes, what is meant to be said twice stays, and the headline becomes the title."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import Repeats
from pipeline.document import Document, undo
from pipeline.stages.repeats import strip_repeats

CLEAN = sorted((Path(__file__).parent / "clean_texts").glob("*.txt"))
HEADLINE = "Ferry to Lindholm to run every hour"
LEAD = (
    "The ferry to Lindholm will run every hour from the first of April, the port said on Friday, after years in which "
    "passengers had asked for a later boat."
)
SECOND = (
    "The board has found a crew for it among the fishermen of the east mole, who have been without work since the "
    "cannery closed its doors in autumn."
)
FAR = "\n\n".join(f"Nothing else of note was said by skipper {n}." for n in "abcd")
BODY = f"{LEAD}\n\n{SECOND}\n"


def strip(text: str, title: str | None = None) -> Document:
    return strip_repeats(Document("a.txt", text, title=title), Repeats())


@pytest.mark.parametrize("path", CLEAN, ids=lambda path: path.stem)
def test_well_edited_text_keeps_every_line(path: Path) -> None:
    """Refrains, short answers, formulas and table rows stay; at most the headline moves into the title."""
    text = path.read_text(encoding="utf-8")
    done = strip(text)
    assert [edit.rule for edit in done.edits] in ([], ["headline"])
    if done.edits:
        assert text.lstrip("# ").startswith(done.title or "-")


@pytest.mark.parametrize("name", ["poem", "song", "letter", "code", "changelog", "minutes", "recipe"])
def test_the_first_line_of_verse_lists_letters_and_code_is_no_headline(name: str) -> None:
    """Only a line above prose is a headline."""
    text = (Path(__file__).parent / "clean_texts" / f"{name}.txt").read_text(encoding="utf-8")
    assert strip(text).title is None


@pytest.mark.parametrize(
    "text",
    [
        f"{HEADLINE}\n\n{BODY}",
        f"# {HEADLINE}\n\n{BODY}",
        f"{HEADLINE}\n\n{HEADLINE}\n\n{HEADLINE}\n\n{BODY}",
        f"{HEADLINE.upper()} - The Pier Post\n\n{HEADLINE}\n\n{BODY}",
        f"{HEADLINE}\n\n{HEADLINE} | The Pier Post\n\n{BODY}",
        f"Harbour\n\n{HEADLINE}\n\n{HEADLINE}\n\n{BODY}",
    ],
)
def test_the_headline_becomes_the_title_once(text: str) -> None:
    """However often and with whatever name it is printed, the headline is the title and no longer in the text."""
    done = strip(text)
    assert done.title == HEADLINE
    assert HEADLINE.casefold() not in done.text.casefold()
    assert done.text.endswith(BODY)
    assert undo(done.text, done.edits) == text


def test_a_stated_title_is_kept_and_not_repeated() -> None:
    """A title from the metadata stays as it is, curly quotes too; the line that prints it again goes."""
    done = strip(f'The baker\'s "quiet" hour begins\n\n{BODY}', title="The baker’s “quiet” hour begins")
    assert done.title == "The baker’s “quiet” hour begins"
    assert done.text == BODY
    other = strip(f"{HEADLINE}\n\n{BODY}", title="Another title altogether")
    assert other.text == f"{HEADLINE}\n\n{BODY}"


def test_a_one_word_title_may_be_the_name_of_anything() -> None:
    """A list item or row that is the title's one word stays below the first prose."""
    text = f"{BODY}\nLindholm\n\n{SECOND.replace('board', 'council')}\n"
    assert strip(text, title="Lindholm").text == text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"{BODY}\n{LEAD}\n", BODY),
        (f"{LEAD}\n\n{FAR}\n\n{LEAD} And so it was.\n", f"{LEAD}\n\n{FAR}\n\nAnd so it was.\n"),
        (f"{LEAD}\n\n{LEAD} And so it was.\n", f"{LEAD} And so it was.\n"),
        (f"The ferry to Lindholm will run every hour from...\n\n{BODY}", BODY),
        (f"• Run every hour from the first of April.\n• Passengers had asked for a later boat..\n\n{BODY}", BODY),
        (f"{BODY}\nThe boat leaves the pier\n\nThe boat leaves the pier\n", f"{BODY}\nThe boat leaves the pier\n"),
    ],
)
def test_what_is_said_twice_stays_once(before: str, after: str) -> None:
    """Paragraphs, long sentences, teasers, bullets and doubled captions: the first stays, bullets yield to the lead."""
    done = strip(before, title="x y z")
    assert done.text == after
    assert undo(done.text, done.edits) == before


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(f"| {LEAD} | {n} |" for n in (1, 1, 1)),
        "\n\n".join(
            [
                f"Asked of skipper {n}:\n\n{LEAD[:-1]}?\n\nThe answer of skipper {n} was a silence and a nod that day."
                for n in range(5)
            ]
        ),
        "\n\n".join([f"Day {n} begins with a walk along the mole and a swim.\n\n{SECOND}\n\n{LEAD}" for n in range(6)]),
        f"> {LEAD}\n\n{BODY}\n> {LEAD}\n",
        "```\n" + f"{LEAD}\n" * 3 + "```\n",
        f"    {LEAD}\n    {LEAD}\n\n{BODY.replace('ferry', 'tram')}",
        "Yes.\n\nNo, not at all.\n\nYes.\n\nNo, not at all.\n",
        "• Bread is dear in Lindholm.\n• Fish is cheap.\n\n" + BODY,
    ],
)
def test_what_repeats_on_purpose_stays(text: str) -> None:
    """Tables, one question put to many, plans, quoted replies, code, short answers, bullets with news."""
    assert strip(text, title="x y z").text == text


PIECES = st.sampled_from(
    [HEADLINE, LEAD, SECOND, f"{LEAD} {SECOND}", "", "", "Yes.", f"# {HEADLINE}", "• a b", "a...", LEAD[:60] + "..."]
)


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(st.lists(PIECES, max_size=12).map("\n".join), st.text(max_size=200)), st.sampled_from([None, HEADLINE])
)
def test_any_text_is_done_once_and_can_be_restored(text: str, title: str | None) -> None:
    """No text breaks it; a second time, with the title found, changes nothing; undone it is the text before."""
    done = strip(text, title)
    assert undo(done.text, done.edits) == text
    again = strip_repeats(Document("a.txt", done.text, title=done.title), Repeats())
    assert (again.text, again.title) == (done.text, done.title)
