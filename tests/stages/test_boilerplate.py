"""What the boilerplate stage takes out of a text, and what it must leave."""

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.config import Boilerplate
from pipeline.document import Document, undo
from pipeline.stages.boilerplate import anchor_key, learn_lines, line_keys, strip_boilerplate

CLEAN = sorted((Path(__file__).parent / "clean_texts").glob("*.txt"))

BODY = (
    "The ferry to Lindholm will run every hour from the first of April, the port said on Friday.\n\n"
    "Passengers had asked for years for a later boat, and the board has now found a crew for it.\n"
)

MENU = "Home\nNews\nHarbour\nSport\nWeather\nSubscribe\nLog in\nSearch\nContact us\nFacebook\nTwitter\n"
FOOTER = (
    "\nRelated Articles\nFive walks along the mole\nWhy the lighthouse is green\nThe baker who sleeps by day\n"
    "About Us\nPrivacy Policy\nTerms of Use\nAdvertise\nCareers\n© 2021 The Pier Post\n"
)


def strip(text: str, language: str | None = "en", learned: frozenset[int] = frozenset()) -> Document:
    return strip_boilerplate(Document("a.txt", text, language=language), Boilerplate(), learned)


@pytest.mark.parametrize("path", CLEAN, ids=lambda path: path.stem)
def test_well_edited_text_is_left_alone(path: Path) -> None:
    """A recipe, a thread, a poem, minutes, a README and their like come back as the same object."""
    document = Document(path.name, path.read_text(encoding="utf-8"), language="en")
    assert strip_boilerplate(document, Boilerplate()) is document


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Advertisement\nAdvertisement\n" + BODY, BODY),
        (BODY.replace("\n\n", "\n\nAdvertisement\n\n"), BODY),
        (BODY + "\nShare on Facebook\nShare on Twitter\n", BODY),
        (BODY + "\nEnd of Article\n\nNext Story", BODY),
        (
            BODY
            + "\nAlso Read\n\nFive walks along the mole\nFive walks along the mole\n\nThe mole is a fine place...\n",
            BODY,
        ),
        (BODY + "\nDownload The Pier Post App to get tide tables & Follow us on Google News.\n", BODY),
        (BODY + "\n© 2021 The Pier Post\n", BODY),
        ("Home » News » A later boat to Lindholm\n" + BODY, BODY),
        ("Home » News\nFerries Lindholm Harbour\n\nA later boat\n\n" + BODY, "A later boat\n\n" + BODY),
        ("Home » News\nLater Boat Sails\n\n" + BODY, "Later Boat Sails\n\n" + BODY),
        (
            BODY.replace("\n\n", "\n\nAlso Read\nFive walks along the mole\n\nOlder boats\n\n"),
            BODY.replace("\n\n", "\n\nOlder boats\n\n"),
        ),
    ],
)
def test_marked_lines_go(before: str, after: str) -> None:
    """Ad markers, share lines, teasers and breadcrumbs go with their line, and no blank lines pile up."""
    assert strip(before).text.rstrip("\n") == after.rstrip("\n")


@pytest.mark.parametrize(
    "line",
    [
        "Facebook said on Monday that it would build a harbour.",
        "Advertisement revenue fell by four percent.",
        "Share prices rose.",
        "Read more books and sleep longer, he says.",
        "Subscribe or pay at the door, the board said.",
        "Settings > Network > Proxy",
        "A ferry leaves the old pier at dusk. Photo: P. Lund",
        "By Ida Holm",
        "Older boats",
    ],
)
def test_lines_of_an_article_stay(line: str) -> None:
    """Sentences that speak of what menus name, captions, bylines and subheads stay."""
    text = BODY.replace("\n\n", f"\n\n{line}\n\n")
    assert strip(text).text == text


def test_a_page_dump_is_stripped_to_its_article() -> None:
    """Where a whole page was copied, menus and footers go and headline and paragraphs stay."""
    article = "A later boat to Lindholm\n\nBy Ida Holm\n\n" + BODY * 1 + "\n" + BODY.replace("ferry", "tram") + "\n"
    done = strip(MENU + "\n" + article + FOOTER)
    assert "Lindholm will run every hour" in done.text
    assert "A later boat to Lindholm" in done.text
    for line in ("Weather", "Privacy Policy", "Five walks along the mole", "© 2021", "Careers"):
        assert line not in done.text
    assert undo(done.text, done.edits) == MENU + "\n" + article + FOOTER


AREAS = "Harbour Quay Mole Pier Lock Beacon Ferry Dune Reef Cove".split()
KINDS = "Street Market Museum Chapel Garden Bridge Tower School Library Station Hotel Theatre Inn".split()
PLACES = [f"{area} {kind}" for area in AREAS for kind in KINDS]


def test_a_long_page_with_few_signs_is_stripped_where_prose_is_left() -> None:
    """A menu of 130 lines that names few things only menus name goes, and leaves an article."""
    article = "\n".join(BODY.replace("Lindholm", town) for town in "Lindholm Sorvik Tarn Rona Karvala Ostheim".split())
    done = strip("\n".join(["About Us", *PLACES[:65], article, *PLACES[65:], "Privacy Policy"]))
    assert "run every hour" in done.text
    assert "Karvala" in done.text
    assert "Quay Chapel" not in done.text
    assert "Cove Inn" not in done.text


def test_a_long_list_with_few_signs_is_left_alone() -> None:
    """A list of 130 names with a few notes stays, though the same two signs stand around it: no article is in it."""
    notes = [f"The {kind.lower()} was built in {1800 + at}, it stands by the old pier" for at, kind in enumerate(KINDS)]
    notes += [f"{at} spoons of {kind.lower()} flour, sifted twice;" for at, kind in enumerate(KINDS)]
    text = "\n".join(["About Us", *PLACES[:65], *notes, *PLACES[65:], "Privacy Policy"]) + "\n"
    assert strip(text).text == text


def test_rules_of_one_language_do_nothing_in_another() -> None:
    """`Anzeige` is an ad marker in German only, `Advertisement` in English only."""
    text = "Anzeige\n\nAdvertisement\n\n" + BODY
    assert strip(text, "de").text == "Advertisement\n\n" + BODY
    assert strip(text, "en").text == "Anzeige\n\n" + BODY
    assert strip(text, "fi").text == text


def test_code_and_tables_stay() -> None:
    """Lines between fences and rows of a table are no menu, whatever they say."""
    text = "```\nShare\nAdvertisement\n```\n\n| Share |\n| Advertisement |\n\n" + BODY
    assert strip(text).text == text


SOME_LINES = """Advertisement|Share on Facebook|Also Read|Home|Home » News|© 2020 X|||- item|```
The port said on Friday that the boat would run every hour from April.|Five walks|Loading...|  Sign in  |The mole is...
Privacy Policy|Contact us|Log in|Search|Subscribe|Twitter|\t|xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"""
WORDS = st.sampled_from(["| a |", *SOME_LINES.replace("\n", "|").split("|")])


@settings(max_examples=150, deadline=None)
@example(
    "- item\nThe mole is...\nPrivacy Policy\nAdvertisement\nThe port said on Friday that the boat would run every hour"
    " from April.\n| a |\n| a |\nTwitter\n| a |\n```"
)
@given(st.one_of(st.lists(WORDS, max_size=40).map("\n".join), st.text(max_size=300)))
def test_any_text_is_stripped_once_and_can_be_restored(text: str) -> None:
    """No text breaks it; a second time changes nothing; the edits undone give the text before."""
    done = strip(text)
    assert undo(done.text, done.edits) == text
    assert strip(done.text).text == done.text


@pytest.mark.parametrize("text", ["Home » " * 20_000, "a" * 200_000, "\n".join(["Also Read"] * 5_000), "* " * 50_000])
def test_hostile_text_takes_no_more_than_its_length(text: str) -> None:
    """Long lines and many openers are done in well under the limit of a document."""
    assert len(strip(text).text) <= len(text)


# ---------------------------------------------------------------- learned lines

TOP = "The Pier Post since 1902\nEvery tide a new story\nHarbour desk\n"


def article(number: int) -> str:
    return (
        f"Story {number} of the harbour\n\nIt was on day {number} that the boat number {number} came in, "
        f"and no one on the pier would say why.\n\nIngredients\n\nNobody knew {number} of all of them, she said."
    )


def counts_of(texts: dict[str, str], site: str = "pier.example") -> pa.Table:
    rows = []
    for source, text in texts.items():
        document = Document(source, text)
        rows += [
            {"site": site, "key": key, "line": line, "anchor": anchor_key(document), "source": source}
            for key, line in line_keys(document)
        ]
    schema = pa.schema(
        [
            ("site", pa.string()),
            ("key", pa.uint64()),
            ("line", pa.string()),
            ("anchor", pa.uint64()),
            ("source", pa.string()),
        ]
    )
    return pa.Table.from_pylist(rows, schema=schema)


def learned_from(texts: dict[str, str]) -> frozenset[int]:
    return frozenset(learn_lines(counts_of(texts))["key"].to_pylist())


def test_lines_that_recur_across_a_site_are_learned_and_removed() -> None:
    """The site's own banner goes from every article; headlines and headings that recur inside stay."""
    texts = {f"{n}.txt": TOP + article(n) for n in range(6)}
    table = learn_lines(counts_of(texts))
    assert set(table["line"].to_pylist()) == {"The Pier Post since 1902", "Every tide a new story"}
    assert set(table["documents"].to_pylist()) == {6}
    assert set(table["example_source"].to_pylist()) == {"0.txt"}
    done = strip(texts["3.txt"], learned=learned_from(texts))
    assert done.text == "Harbour desk\n" + article(3)
    assert {edit.rule for edit in done.edits} == {"learned-line"}


def test_a_structural_heading_is_not_learned() -> None:
    """`Ingredients` stands above every recipe and stays."""
    texts = {
        f"{n}.txt": f"Ingredients\n\n{n} plums\n{n + 1} cups of flour\n\nMix the {n} plums in and bake for an hour.\n"
        for n in range(9)
    }
    assert learn_lines(counts_of(texts)).num_rows == 0


def test_copies_of_one_article_count_once() -> None:
    """Nine copies of one article teach nothing."""
    assert learn_lines(counts_of({f"{n}.txt": TOP + article(1) for n in range(9)})).num_rows == 0


def test_a_new_document_never_unlearns_a_line() -> None:
    """What six documents taught, sixty others leave standing."""
    few = {f"{n}.txt": TOP + article(n) for n in range(6)}
    many = {**few, **{f"other-{n}.txt": article(100 + n) for n in range(60)}}
    assert learned_from(few) <= learned_from(many)


def test_learning_again_on_the_cleaned_corpus_finds_nothing() -> None:
    """After the learned lines are gone, no line is learned any more."""
    texts = {f"{n}.txt": TOP + article(n) for n in range(12)}
    learned = learned_from(texts)
    cleaned = {source: strip(text, learned=learned).text for source, text in texts.items()}
    assert learn_lines(counts_of(cleaned)).num_rows == 0


CLAUSE = (
    "Permission without restriction concerning commercial reproduction\n"
    "of tidal information published by Lindholm harbour authorities is\n"
    "granted, provided everybody receiving such information is notified.\n"
)


@pytest.mark.parametrize(
    "clause",
    [
        CLAUSE,
        CLAUSE.replace("\n", "\n * ").removesuffix(" * "),  # in a comment
        CLAUSE.upper(),
        CLAUSE.replace("of tidal", "Tidal").replace("granted, p", "Granted, p"),
        "Permission to copy and to use the tide tables is granted to everyone who:\n\n- names the port\n\n",
    ],
    ids=["plain", "comment", "capitals", "proper names", "introduction"],
)
def test_wrapped_paragraphs_are_no_candidates(clause: str) -> None:
    """Clauses shared by many licences, broken into lines of one width, are prose, and so is what leads up to a list."""
    texts = {
        f"{n}.txt": f"{clause}\nThis copy is for boat {n}, whose skipper and crew of {n} have signed it all together."
        for n in range(9)
    }
    assert learn_lines(counts_of(texts)).num_rows == 0


def test_an_empty_corpus_teaches_nothing() -> None:
    """No rows in, no rows out, with the promised columns."""
    table = learn_lines(counts_of({}))
    assert table.column_names == ["site", "key", "line", "documents", "example_source"]
    assert table.num_rows == 0
