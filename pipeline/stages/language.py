"""Say in which language a document is written (ISO 639-1), where nobody has said so plausibly.

Three looks, the cheapest first, at a sample of at most 390 characters:

1. The script: Greek, Thai, Hangul and their like are each the script of one language; kana means Japanese.
2. English function words: where a fifth of the words are *the, of, and, that…* the text is English.
   The model need not be loaded for an English corpus.
3. py3langid (naive Bayes over byte n-grams; Lui and Baldwin 2012), whose model comes with its wheel.

Too little text, or a model that is not sure, gives None. Nothing is kept between documents but the model.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from typing import Any

from pipeline.document import Document

PIECE = 130  # characters in each of the three pieces of a longer text that are looked at
MODEL_BYTES = 450  # of UTF-8 given to the model: it needs no more, and takes 0.2 microseconds for each
LATIN_BYTES = 1.35  # bytes of UTF-8 for a character, up to which a sample is not in a script of its own
MIN_LETTERS = 20  # below this even a reader is often unsure
MIN_LETTERS_OF_ITS_SCRIPT = 4  # a script names its language sooner than words do
MIN_WORDS = 12  # for English by its function words
ENGLISH_SHARE = 0.2  # of the words; running English has 0.3 to 0.5, other languages next to none
SURE = 0.4  # the model's probability below which a language is not named
STRONG = 0.9  # above which a declared language may be overruled
STRONG_LETTERS = 200  # in so much text

_ISO_639_1 = """
aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el
en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu
ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na
nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn
so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
"""
_CODES = frozenset(_ISO_639_1.split())
# ISO 639-2 codes and names that web pages and feeds use instead; and the codes that ISO 639-1 withdrew.
_OTHER_NAME_PAIRS = """
eng:en english:en deu:de ger:de german:de deutsch:de fra:fr fre:fr french:fr français:fr spa:es spanish:es
español:es ita:it italian:it por:pt portuguese:pt português:pt nld:nl dut:nl dutch:nl rus:ru russian:ru
русский:ru zho:zh chi:zh chinese:zh cmn:zh jpn:ja japanese:ja kor:ko korean:ko ara:ar arabic:ar pol:pl polish:pl
tur:tr turkish:tr swe:sv swedish:sv ukr:uk ukrainian:uk hin:hi hindi:hi vie:vi vietnamese:vi iw:he in:id ji:yi
jp:ja cn:zh
"""
_OTHER_NAMES = dict(pair.split(":") for pair in _OTHER_NAME_PAIRS.split())
# Languages that an identifier cannot well tell from each other: a declared one of these stays.
_CLOSE = (
    {"no", "nb", "nn", "da"},
    {"hr", "bs", "sr", "sh"},
    {"id", "ms"},
    {"cs", "sk"},
    {"gl", "pt"},
    {"hi", "mr", "ne"},
)
_TAG = re.compile(r"\s*([A-Za-z]{2,3})(?:[-_][A-Za-z0-9_-]*)?(?:\.[A-Za-z0-9-]+)?\s*")

# Script blocks in which one language is written, or very nearly one: first and last code point.
_SCRIPTS = (
    *((0x0370, 0x03FF, "el"), (0x1F00, 0x1FFF, "el"), (0x0530, 0x058F, "hy"), (0x05D0, 0x05EA, "he")),
    *((0x0A00, 0x0A7F, "pa"), (0x0A80, 0x0AFF, "gu"), (0x0B00, 0x0B7F, "or"), (0x0B80, 0x0BFF, "ta")),
    *((0x0C00, 0x0C7F, "te"), (0x0C80, 0x0CFF, "kn"), (0x0D00, 0x0D7F, "ml"), (0x0D80, 0x0DFF, "si")),
    *((0x0E00, 0x0E7F, "th"), (0x0E80, 0x0EFF, "lo"), (0x1000, 0x109F, "my"), (0x10A0, 0x10FF, "ka")),
    *(
        (0x1780, 0x17FF, "km"),
        (0x1100, 0x11FF, "ko"),
        (0xAC00, 0xD7A3, "ko"),
        (0x3040, 0x30FF, "ja"),
        (0x4E00, 0x9FFF, "zh"),
    ),
)
_SCRIPT_OF = {block: language for low, high, language in _SCRIPTS for block in range(low >> 4, (high >> 4) + 1)}
_SAME_SCRIPT = {"he": ("yi",), "zh": ("ja",)}  # declared languages that the script does not speak against
_KANA_SHARE = 0.1  # of kana among kana and Chinese characters: above it, Japanese
_YIDDISH = re.compile("[\u05b7\u05b8]|[\u05f0-\u05f2]|\u05d5\u05d5|\u05d9\u05d9")  # pointed vowels, doubled vav and yod
_FUNCTION_WORDS = """
the of and to that is was for it with as be by on are from this have not they which you were but his her had she
he their an or will would what there been has when who more if out so said its about into than them can only
other new some could these may then do first any my now such like our over even most after also did many before
must through where much your should well people down own just because good each those how too very at we all i
"""
_ENGLISH = frozenset(_FUNCTION_WORDS.split())
_NOISE = re.compile(r"https?://\S+|www\.\S+|[0-9_#*<>|`=\[\](){}/\\]+")
_WORD = re.compile(r"[^\W\d_]+")


def identify_language(document: Document) -> Document:
    """Set `document.language` to an ISO 639-1 code, or None where neither metadata nor the text says.

    >>> identify_language(Document("a", "Le ministre a déclaré mardi qu'il ne quitterait pas son poste.")).language
    'fr'
    >>> identify_language(Document("a", "Ja.", language="de-AT")).language
    'de'
    """
    language = _identify(document.text, normal_code(document.language))
    return document if language == document.language else document.with_fields(language=language)


def normal_code(declared: str | None) -> str | None:
    """Give the ISO 639-1 code that a language tag or name means; None where it means none.

    >>> normal_code("en-US"), normal_code("pt_BR.UTF-8"), normal_code("Deutsch"), normal_code("x-default")
    ('en', 'pt', 'de', None)
    """
    if not declared:
        return None
    name = declared.strip().lower()
    if name in _OTHER_NAMES:
        return _OTHER_NAMES[name]
    tag = _TAG.fullmatch(declared)
    code = tag[1].lower() if tag else ""
    code = _OTHER_NAMES.get(code, code)
    return code if code in _CODES else None


def _identify(text: str, declared: str | None) -> str | None:
    """Identify the language of `text`; a declared one stays unless the text speaks strongly against it."""
    sample = _sample(text)
    encoded = sample.encode("utf-8", "replace")
    by_script = _by_script(sample) if len(encoded) > LATIN_BYTES * len(sample) else None
    if by_script:
        return declared if declared in _SAME_SCRIPT.get(by_script, ()) else by_script
    letters = len(sample) - sample.count(" ") - sample.count("\n")
    if letters < MIN_LETTERS:
        return declared
    if _is_english(sample):
        return "en"
    if declared and letters < STRONG_LETTERS:
        return declared
    language, probability = _model().classify(encoded[:MODEL_BYTES])
    if declared is None:
        return str(language) if probability >= SURE and language in _CODES else None
    close = any(declared in group and language in group for group in _CLOSE)
    return str(language) if probability >= STRONG and not close and declared in _model_languages() else declared


def _sample(text: str) -> str:
    """Take the text, or three pieces of a long one, without addresses, digits and markup."""
    if len(text) > 3 * PIECE:
        quarter = len(text) // 4
        text = "\n".join(text[at : at + PIECE] for at in (quarter, 2 * quarter, 3 * quarter))
    return _NOISE.sub(" ", text)


def _by_script(sample: str) -> str | None:
    """Name the language whose own script most letters of the sample are in; None for scripts of many languages."""
    counts = Counter([ord(character) >> 4 for character in sample if character.isalpha()])
    scripts: Counter[str] = Counter()
    for block, count in counts.items():
        scripts[_SCRIPT_OF.get(block, "")] += count
    east_asian = scripts["zh"] + scripts["ja"]
    if scripts["ja"] > _KANA_SHARE * east_asian:
        scripts["ja"], scripts["zh"] = east_asian, 0
    else:
        scripts["ja"], scripts["zh"] = 0, east_asian
    language = min(scripts, key=lambda name: (-scripts[name], name))
    if not language or scripts[language] < max(MIN_LETTERS_OF_ITS_SCRIPT, sum(scripts.values()) / 2):
        return None
    if language == "he" and len(_YIDDISH.findall(sample)) > 0.02 * len(sample):
        return None
    return language


def _is_english(sample: str) -> bool:
    """Whether the sample's function words are English ones, in a share that only English has."""
    words = _WORD.findall(sample.lower())
    if len(words) < MIN_WORDS:
        return False
    found = [word for word in words if word in _ENGLISH]
    # "die was in the hand" is also Dutch or Afrikaans: three different ones, and "the" or "and" or "of" among them.
    return len(found) >= ENGLISH_SHARE * len(words) and len(set(found)) >= 3 and not _CORE.isdisjoint(found)


_CORE = frozenset({"the", "and", "of"})
_lock = threading.Lock()
_loaded: list[Any] = []


def _model() -> Any:
    """Load the model, once a process, when the first document needs it (0.3 s)."""
    with _lock:
        if not _loaded:
            from py3langid.langid import MODEL_FILE, LanguageIdentifier

            _loaded.append(LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True))
    return _loaded[0]


def _model_languages() -> frozenset[str]:
    """Give the languages that the model knows."""
    return frozenset(_model().labels)
