"""What a frequency list of English says of a word. The list is loaded when a rule first asks: most texts never do."""

from __future__ import annotations

from functools import cache

# Zipf value (log10 of occurrences in a billion words): words below it occur less than once in five million.
RARE = 2.3


def words(text: str) -> frozenset[str]:
    """Read a list of words."""
    return frozenset(text.split())


@cache
def common_words() -> frozenset[str]:
    """Words that occur at least once in a million words of English (wordfreq's small list: 10 ms, 29,000 words)."""
    import wordfreq  # up to half a second, so only texts with something suspicious pay for it

    return frozenset(word for bucket in wordfreq.get_frequency_list("en", "small") for word in bucket)


@cache
def known_words() -> frozenset[str]:
    """Words that occur at least once in five million words of English (from wordfreq's large list, 0.1 s)."""
    import wordfreq  # as above

    # A list of buckets: the words in bucket n have the frequency 10 ** (-n / 100).
    buckets = wordfreq.get_frequency_list("en", "large")
    return frozenset(word for bucket in buckets[: round((9 - RARE) * 100) + 1] for word in bucket)


def is_third_person(word: str) -> bool:
    """Whether an English word is the -s form of a verb: its -ing and -ed forms are words, too.

    >>> [is_third_person(word) for word in ("lifts", "carries", "harbours", "moons")]
    [True, True, True, False]
    """
    known = known_words()
    if word.endswith("ies"):
        stems = [word[:-3] + "y"]
    else:
        stems = [word[:-1], word[:-2]] if word.endswith("es") else [word[:-1]]
    for stem in stems:
        present = stem[:-1] + "ing" if stem.endswith("e") else stem + "ing"
        past = stem + "d" if stem.endswith("e") else stem[:-1] + "ied" if stem.endswith("y") else stem + "ed"
        if stem in known and present in known and (past in known or stem + "ed" in known):
            return True
    return False


def splits_into_words(word: str) -> bool:
    """Whether a long word is no word but several common ones run together, one of them an article or the like.

    >>> [splits_into_words(word) for word in ("thetiderosetwiceaday", "counterrevolutionaries")]
    [True, False]
    """
    if len(word) > LONGEST_RUN or word in known_words():
        return False
    common = common_words()
    reached: list[set[bool]] = [set() for _ in range(len(word) + 1)]  # by letters read: was a glue word among them?
    reached[0].add(False)
    for start, glued in enumerate(reached):
        for end in range(start + 1, min(start + LONGEST_PIECE, len(word)) + 1) if glued else ():
            piece = word[start:end]
            if piece in GLUE:
                reached[end].add(True)
            elif len(piece) > 2 and piece in common:
                reached[end] |= glued
    return True in reached[-1]


GLUE = words(
    "a i of to in is it on as at be by he we or an if do no so go up my me us the and for with that this from was not"
)
LONGEST_RUN = 1_000
LONGEST_PIECE = 16
