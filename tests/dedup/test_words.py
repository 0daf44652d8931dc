"""Words, shingles and sentences of whole batches against the plain way of finding them."""

from __future__ import annotations

import re
import unicodedata

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.dedup import words as module
from pipeline.dedup.words import normalise, sentence_hashes, sentence_starts, split

TEXTS = st.lists(st.text(max_size=60), max_size=6)
ALPHABETS = st.lists(st.text(st.sampled_from("aAbB1_ .,!?\n'İıΣςσßÉé\u0301ñДдअकि가"), max_size=40), max_size=5)


def plain(text: str) -> list[str]:
    """The words of a text by regular expression."""
    return re.findall(r"\w+", normalise(text).lower())


def has_unspaced(text: str) -> bool:
    """Whether some character belongs to a script that is written without spaces."""
    return any(low <= ord(c) <= high for c in text for low, high in module._UNSPACED_BLOCKS)


@settings(max_examples=150, deadline=None)
@given(TEXTS | ALPHABETS)
def test_words_are_those_of_the_regular_expression(texts: list[str]) -> None:
    """Each text has the words that `\\w+` finds in its lower-cased NFC form, equal words equal hashes."""
    found, hashes = split(texts), {}
    for i, text in enumerate(texts):
        if has_unspaced(unicodedata.normalize("NFC", text)):
            continue
        mine = found.hash[found.first[i] : found.first[i + 1]].tolist()
        expected = plain(text)
        assert len(mine) == len(expected)
        for word, value in zip(expected, mine, strict=True):
            assert hashes.setdefault(word, value) == value
    assert len(set(hashes.values())) == len(hashes)


@settings(max_examples=100, deadline=None)
@given(TEXTS | ALPHABETS)
@example(["0:._", ""])
def test_a_text_has_the_same_words_alone_and_in_a_batch(texts: list[str]) -> None:
    """Neighbours in a batch change nothing, nor do sentence borders depend on them."""
    together = split(texts)
    for i, text in enumerate(texts):
        alone, part = split([text]), slice(together.first[i], together.first[i + 1])
        assert (alone.hash == together.hash[part]).all()
        assert (alone.stem == together.stem[part]).all()
        assert (alone.opens == together.opens[part]).all()


def test_a_text_longer_than_a_chunk_is_cut_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """A document of many chunks has the words it has in one piece."""
    text = " ".join(f"word{i}" for i in range(2_000))
    whole = split([text])
    monkeypatch.setattr(module, "CHUNK", 1_000)
    assert (split(["before", text]).hash[1:] == whole.hash).all()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("今日は晴れ", 5),  # Japanese
        ("我们在北京。", 5),
        ("ภาษาไทย", 7),  # Thai, its marks too
        ("한국어 문장", 2),  # Korean puts spaces between words
        ("the 北京 office", 4),
    ],
)
def test_scripts_without_spaces_have_a_word_a_character(text: str, words: int) -> None:
    """Where nothing separates words, each character is one; Korean and mixed text keep their words."""
    assert split([text]).hash.size == words


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One came. Two left.", 2),
        ("It cost 12.5 dollars at 3.30 p.m. on Monday.", 1),
        ("Mr. Hale met Dr. Reyes and J. Ward.", 1),
        ('"Stop!" she said. He stopped.', 2),
        ("A headline\n\nThe text begins.", 2),
        ("a line that is\nwrapped goes on", 1),
        ("# Heading\nThe text begins", 2),
        ("1. The first rule.\n2. The second rule.", 2),
        ("Rules\n\n   1. The first rule.\n   2. The second rule.", 3),  # a label may be indented
        ("Buy:\n- milk\n- bread", 3),
        ("天气很好。我们走吧！", 2),
        (" ".join(["word"] * 90), 3),  # no stop anywhere: pieces of at most 40 words
        ("", 0),
        ("... !!!", 0),
    ],
)
def test_sentences(text: str, sentences: int) -> None:
    """Sentences end where a reader would end them; text without stops is cut into equal pieces."""
    assert sentence_starts(split([text])).size == sentences


def test_a_sentence_has_one_hash_wherever_it_stands() -> None:
    """The same words in the same order have the same hash; another order has another."""
    words = split(["The tram left. Rain fell.", "Rain fell. The tram left.", "Fell rain."])
    found = sentence_hashes(words, sentence_starts(words)).tolist()
    assert found[0] == found[3]
    assert found[1] == found[2]
    assert found[4] not in found[:4]


def test_lone_surrogates_are_no_words() -> None:
    """A string that no encoding allows is still split."""
    assert split(["\ud800 a \udfff b"]).hash.size == 2


def test_stems_join_a_family_of_words_and_keep_numbers_apart() -> None:
    """`supply` and `supplies` share a stem; 1234567 and 1234568 do not."""
    stem = split(["supply supplies 1234567 1234568"]).stem
    assert stem[0] == stem[1]
    assert stem[2] != stem[3]
    assert np.unique(stem).size == 3
