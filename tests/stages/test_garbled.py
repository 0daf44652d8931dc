"""The garbled stage: what is mended, what is removed, what is flagged, and what an editor would leave alone."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import Garbled
from pipeline.document import Document, undo
from pipeline.stages.garbled import mend_garbled

# Sound sentences around a damaged one, so that the damage stands in a paragraph of an edited text.
BEFORE = (
    "The harbour at Wexcombe was built in 1843 for a fishing fleet that had outgrown the beach. Its two piers still "
    "carry the railway that brought the stone down from the quarry above the town."
)
AFTER = "The council repaired the western pier after the storm and opened it to visitors in the spring of that year."


def mended(text: str, language: str | None = "en", **options: bool) -> Document:
    """Run the stage and check that undo gives the text before and that a second run changes nothing."""
    document = Document("notes/a.txt", text, language=language)
    done = mend_garbled(document, Garbled(**options))
    assert undo(done.text, done.edits) == text
    assert mend_garbled(done, Garbled(**options)) is done
    if not done.edits:
        assert done is document
    return done


def paragraph(piece: str) -> str:
    return f"{BEFORE} {piece} {AFTER}"


REPLACED = [
    # doubled punctuation
    ("He came in at the end of March..", "He came in at the end of March."),
    ("It was late.. The boats were out.", "It was late. The boats were out."),
    ("Der Hafen ist zu.. Das Boot liegt draußen.", "Der Hafen ist zu. Das Boot liegt draußen."),
    ("The ebb,, which is strong, and the flood,.", "The ebb, which is strong, and the flood."),
    ("The ebb, , which is strong", "The ebb, which is strong"),
    # the space a link left
    ("The ebb , which is strong, and the flood.", "The ebb, which is strong, and the flood."),
    ("Slack water . The boats go out.", "Slack water. The boats go out."),
    ("The ebb ( , ) is strong.", "The ebb is strong."),
    ("The Rhine ( ; ), a river", "The Rhine, a river"),
    # English words
    ("The end ofthe pier, wbich is tbe oldest", "The end of the pier, which is the oldest"),
    ("The end o f the pier and th e boats", "The end of the pier and the boats"),
    ("The end of the the pier is a a ruin", "The end of the pier is a ruin"),
    ("The boats went out.The harbour was empty and cold,which is rare.", None),
    (
        "They don\ufffdt know, and we\ufffdre late, but I\ufffdve time.",
        "They don’t know, and we’re late, but I’ve time.",
    ),
]


@pytest.mark.parametrize(("text", "wanted"), REPLACED)
def test_what_is_certain_is_replaced(text: str, wanted: str | None) -> None:
    """Slips with one possible meaning are put right."""
    if wanted is None:
        wanted = "The boats went out. The harbour was empty and cold, which is rare."
    language = "de" if "Hafen" in text else "en"
    assert mended(text, language).text == wanted


REMOVED = [
    paragraph("became."),
    paragraph("of."),
    f"{BEFORE} {AFTER} were or will Does not tell",
    f"{BEFORE} {AFTER} is and has But never say",
    f"{BEFORE}\nasdfgfdsa hjkllkjh\n{AFTER}",
    f"{BEFORE}\n\ufffd\ufffd\ufffdr\ufffd \ufffd\ufffd\n{AFTER}",
]


@pytest.mark.parametrize("text", REMOVED)
def test_what_cannot_be_a_sentence_is_removed(text: str) -> None:
    """Debris goes and the sentences around it stay."""
    done = mended(text)
    assert [edit.action for edit in done.edits] == ["removed"]
    assert all(sentence in done.text for sentence in (BEFORE, AFTER))
    assert done.text.replace("\n", " ").replace("  ", " ").strip() == f"{BEFORE} {AFTER}"


def test_removals_are_flags_where_removing_is_off() -> None:
    """`remove = false` keeps the debris and records it; `flag = false` records nothing that stays."""
    done = mended(paragraph("became."), remove=False)
    assert done.text == paragraph("became.")
    assert [(edit.rule, edit.action) for edit in done.edits] == [("debris", "flagged")]
    assert mended(paragraph("became."), remove=False, flag=False).edits == ()
    assert mended(paragraph("cannot be known."), flag=False).edits == ()


FLAGGED = [
    ("small-start", paragraph("cannot be known before the spring.")),
    ("small-start", paragraph("with the fleet that had outgrown the beach.")),
    ("small-start", paragraph("lol.")),
    ("small-start", f"{BEFORE}\nat the end of the year the pier was closed again. {AFTER}"),
    ("possessive-cut", paragraph("The fleet grew quickly, while the harbour’s There are no boats left in it.")),
    ("capital-within", paragraph("The fleet grew until the masters could Do not tell the council of it.")),
    ("capital-within", paragraph("The fleet was small that year, The council wanted to help.")),
    ("cut-sentence", paragraph("The fleet was larger than the.")),
    ("trailing-word", f"{BEFORE} {AFTER} Boats"),
    ("missing-subject", paragraph("Hauls water to the upper quarry.")),
    ("doubled-word", paragraph("The fleet had to to go out early.")),
    ("run-together", paragraph("The fleet hadtogooutintothestorm again.")),
    ("no-vowels", paragraph("The fleet was sdfkjhsdkf that year.")),
    ("keyboard-junk", paragraph("The fleet was asdfghjkjhgf that year.")),
    ("lost-characters", paragraph("The caf\ufffd on the pier was open.")),
    ("noise", f"{BEFORE}\n~^ ;: ' i. ¬ «. -_ |` ¦; l,\n{AFTER}"),
]


@pytest.mark.parametrize(("rule", "text"), FLAGGED)
def test_what_may_be_garbled_is_flagged_and_stays(rule: str, text: str) -> None:
    """A sentence with a piece missing is named by one flag and not touched."""
    done = mended(text)
    assert done.text == text
    assert [(edit.rule, edit.action) for edit in done.edits] == [(rule, "flagged")]


ENGLISH_ONLY = [
    "Die Boote, wbich und ofthe, o f the, the the und a a.",
    f"{BEFORE} became. cannot be known. {AFTER} Boats",
]


@pytest.mark.parametrize("text", ENGLISH_ONLY)
@pytest.mark.parametrize("language", ["de", "fr", "la"])
def test_english_rules_do_nothing_in_other_languages(text: str, language: str) -> None:
    """A rule for English leaves a text that is stated to be something else."""
    assert mended(text, language).edits == ()


def test_an_unstated_language_counts_as_english_only_if_it_plainly_is() -> None:
    """Without a language the commonest words decide."""
    assert mended(paragraph("became."), None).text == f"{BEFORE} {AFTER}"
    german = (
        "Der Hafen wurde vor langer Zeit gebaut und liegt am Ende der Bucht. Er ist voll. became. Die Boote warten."
    )
    assert mended(german, None).edits == ()


STAYS = [
    # stops and marks that mean something
    "Wait... what? Wait.. what? He said no.. and then yes..",
    "She grew up in the U.S.. He did not. It was 5 p.m.. Then we left.",
    "See ../tides and 1..5 and a[1..3] and foo..bar.",
    "Nice.. Really nice.. I like it.. Thanks..",
    "a,,b\nx,,y,,z and ,,niemals“ sagte er",
    "Call f( , ) or ( ) yes ( ) no or wait() and [ ].",
    "the cat , the dog , the cow . the end . a hen , a fox , a hare .",
    "Use .NET or .htaccess files.",
    "See ( ) and ().",
    # words
    "I think that that is what it is, is it not, and he had had enough. No no no. The The played.",
    "um the the boat I I mean the the harbour and and of of the the sea a a a boat",
    '"wbich" is how OCR reads a word; `ofthe` too. See #ofthe and ofthe.com and @tbe.',
    "They learned to touch-type on qwerty and azerty keyboards, not asdf.",
    "Die Donaudampfschifffahrtsgesellschaft and internationalization and antidisestablishmentarianism",
    # small letters that are meant
    "i went down to the sea. the boats were out. it was cold. nobody said a word. the gulls screamed.",
    "in slack-\nwater          when the sea is glass-\nsmooth the\nboat-boys sing\n\nsing        far        and low",
    "so what we did was we went down to the harbour and then you know we took the boat out and it was cold",
    f"{BEFORE} approx. five boats came, e.g. the Mary and the Ann vs. the Hope, etc. and so on. {AFTER}",
    f"{BEFORE} macOS and iOS run here. iPhones do too. systemd starts it. {AFTER}",
    f"{BEFORE} “Why not?” he asked. “Because!” she said. Yahoo! was late. {AFTER}",
    f"{BEFORE} He read The World as Will and Idea and watched What We Do in the Shadows twice. {AFTER}",
    f"{BEFORE} Netflix’s The Crown and King’s It and Dickens’s A Tale of Two Cities were on the shelf. {AFTER}",
    f"{BEFORE} The Guardian said The Times would. In the band The National played. {AFTER}",
    f"{BEFORE} Not so. Far from it. Hardly. {AFTER}",
    f"{BEFORE} Reports of a storm came in before the boats did. {AFTER}",
    # not prose
    "became.\n\nis\n\nNotes\n\nbecame. of.",
    "- became.\n- the.\n* cannot be known\n1. of the.",
    "| became. | the the | cannot. |\n| --- | --- | --- |\n| ofthe | th e | .. |",
    "```\nx = tbe the the .. became. ,, a\n```\n",
    "    the the = wbich(ofthe);\n\tif (x , y) { return a a; }",
    "ANNA: became. No? became.\nBEN: the. Oh. became.",
    "# Is The Sea Rising? There are Doubts\n\nWhat You Can Do to Help",
    "<<< ~~~ | ^^^ | ::: | >>> ;;; ''' \"\"\"",
    "E = mc^2; |x| <= ~1; ¬p | q; a.b, c:d; 'x' -> `y`",
    " /\\_/\\\n( o.o )\n > ^ <",
]


@pytest.mark.parametrize("text", STAYS)
@pytest.mark.parametrize("language", ["en", None])
def test_well_edited_text_is_left_alone(text: str, language: str | None) -> None:
    """Ellipses, abbreviations, speech, poems, titles, lists, tables and code draw neither change nor flag."""
    done = mended(text, language)
    assert (done.text, done.edits) == (text, ())


def test_html_documents_are_left_to_extract() -> None:
    """A document of kind html comes back as the same object."""
    document = Document("a.html", "<p>the the</p> became..", kind="html")
    assert mend_garbled(document, Garbled()) is document


def test_each_sentence_is_flagged_once() -> None:
    """Two rules that name one sentence leave one flag."""
    text = paragraph("The fleet was small that year, The council wanted to to help the harbour’s There are none.")
    assert len(mended(text).edits) == 1


PIECES = [
    "..", ".", ",", ",,", " ,", " .", ". ", "! ", "? ", " ", "\n", "\n\n", "became.", "the the ", "a a ", "to to ",
    "The ", "There are ", "’s ", "'s There are ", "ofthe ", "wbich ", "o f ", "th e ", "\ufffd", "don\ufffdt ",
    "asdfgfdsa", "( , )", "(", ")", "end.The next", "cold,which is", "is or was Does not", "cannot be known. ",
    "Boats", BEFORE, AFTER, "the.", "\t", "```\n", "| ", "é", "漢", "\x00", "\ud800", "x", "Hauls water up. ",
    "~^|¦¬; ' . , : «", "U.S.", "0",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join), st.sampled_from(["en", "de", None]))
@settings(max_examples=500, deadline=None)
def test_any_damage_can_be_undone_and_is_mended_once(text: str, language: str | None) -> None:
    """No string crashes the stage; undo gives the text before; a second run changes nothing."""
    mended(text, language)


@given(st.text(max_size=300), st.sampled_from(["en", None]))
@settings(max_examples=200, deadline=None)
def test_any_text_can_be_mended(text: str, language: str | None) -> None:
    """No text crashes the stage."""
    mended(text, language)


NASTY = [
    ".", "..", "....  ", ". a", ". became.", "the ", "the the ", " ,", ",,", " ( ,", "\ufffd", "\ufffd ", "asdf ",
    "’s There ", " The a", "\na", "~^|", "~;: ", "a.b.", "Aaaas aa. ", " aaaaaaaaaaaaaaaaaaaaaaaa", "```\n",
    "don\ufffdt ", "end.The x ", "word. ", "word! word ", "a", " ", "\n", "a a ",
]  # fmt: skip


@pytest.mark.parametrize("piece", NASTY)
@pytest.mark.parametrize("head", ["", paragraph("x.") + " "])
def test_time_grows_as_the_text_does(piece: str, head: str) -> None:
    """Eight times the text takes about eight times as long, not sixty-four."""

    def seconds(size: int) -> float:
        document = Document("a.txt", head + piece * (size // len(piece)), language="en")
        start = time.process_time()
        mend_garbled(document, Garbled())
        return time.process_time() - start

    small = min(seconds(6_000) for _ in range(3))
    large = (seconds(48_000) for _ in range(5))
    assert any(took < 30 * small + 0.005 for took in large), small
