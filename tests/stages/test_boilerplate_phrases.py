"""Every phrase of every language, with its example and its counter-example."""

from importlib.resources import files

import pytest

from pipeline.stages.boilerplate_phrases import NEUTRAL, Phrase, load_phrases, phrase_book
from pipeline.stages.lines import split_lines

LANGUAGES = sorted(
    path.name.removesuffix(".toml")
    for path in files("pipeline.stages").joinpath("phrases").iterdir()
    if path.name.endswith(".toml") and path.name != "function_words.toml"
)
PHRASES = [(language, phrase) for language in LANGUAGES for phrase in load_phrases(language)]


def test_there_is_a_file_for_each_promised_language() -> None:
    """English, twelve other languages and the neutral file are there."""
    assert {"en", "de", "fr", "es", "it", "pt", "nl", "ru", "pl", "sv", "tr", "ja", "zh", NEUTRAL} <= set(LANGUAGES)


@pytest.mark.parametrize(("language", "phrase"), PHRASES, ids=lambda value: value if isinstance(value, str) else None)
def test_the_example_goes_and_the_counter_example_stays(language: str, phrase: Phrase) -> None:
    """The example is taken by this very phrase; the counter-example by none of its language."""
    book = phrase_book(language)
    (goes,) = split_lines(phrase.goes)
    (stays,) = split_lines(phrase.stays)
    assert phrase.fits(goes.words, goes.shown)
    found = book.find(goes)
    assert found is not None
    assert found.rule == phrase.rule
    assert book.find(stays) is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_phrase_stands_twice(language: str) -> None:
    """A phrase stands once in its language; the same words may follow with a colon or not."""
    forms = [(phrase.words, phrase.match, phrase.colon) for phrase in load_phrases(language)]
    assert len(forms) == len(set(forms))


def test_a_language_without_a_file_has_the_neutral_phrases_only() -> None:
    """Rules of one language do nothing in another; unknown language counts as English."""
    (line,) = split_lines("Advertisement")
    assert phrase_book("fi").find(line) is None
    assert phrase_book("de-AT").find(line) is None
    assert phrase_book(None).find(line) is not None
    assert phrase_book("en-GB").find(line) is not None


def test_a_star_stands_for_one_to_six_words() -> None:
    """`download the * app` needs something between, and not too much."""
    phrase = Phrase(("download", "the", "*", "app"), "app-line", "", "", match="start", most=20)
    assert phrase.fits(("download", "the", "new", "app"), "")
    assert not phrase.fits(("download", "the", "app"), "")
    assert not phrase.fits(("download", "the", *"abcdefg", "app"), "")
