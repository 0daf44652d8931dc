"""Say in which language a document is written (ISO 639-1), where nobody has said so plausibly.

Three looks, the cheapest first, at a sample of at most 390 characters:

1. The script: Greek, Thai, Hangul and their like are each the script of one language; kana means Japanese.
2. Function words: where a fifth of the words are *the, of, and, that…* the text is English. Eight languages have such
   a profile; a corpus in them never loads the model.
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
MIN_WORDS = 12  # for a language by its function words
MIN_OWN_WORDS = 2  # of its own, which near relatives do not have
FUNCTION_SHARE = 0.2  # of the words; running text has 0.3 to 0.5 in its own language, next to none in others
RUNNER_UP = 0.7  # a second language whose share is more than this much of the first's leaves both in doubt
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
_TAG = re.compile(r"\A\s*([A-Za-z]{2,3})(?:[-_][A-Za-z0-9_-]*)?(?:\.[A-Za-z0-9-]+)?\s*")

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
# Function words of a few languages: those that make up its texts, `|` those of them that no near relative has,
# `|` words of a near relative that must not stand there (Afrikaans is not Dutch, nor Catalan Spanish).
_FUNCTION_WORDS = {
    "en": """
the of and to that is was for it with as be by on are from this have not they which you were but his her had she
he their an or will would what there been has when who more if out so said its about into than them can only
other new some could these may then do first any my now such like our over even most after also did many before
must through where much your should well people down own just because good each those how too very at we all i
| the and of with that was is from this have | een nie het und der die ye wis fae""",
    "de": """
der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden aus er hat
dass sie nach wird bei einer um am sind noch wie einem über einen so zum war haben nur oder aber vor zur bis
mehr durch man sein wurde sei hatte kann gegen vom wenn ihre wir ich seine dieser schon einer eines habe unter
gibt
| und nicht ist auch sich wird eine einer einen für das dem zum zur vom dass hatte würde
| ass déi vun ech nich ook het""",
    "fr": """
le la les de des du un une et est en que qui dans a pour pas sur au ce il plus par se avec ne son sa ses sont
mais on ou nous elle ils été cette aux leur si même tout comme ces fait y sans deux avait ont peut très je vous
était lui
| les des une est dans qui aux été cette | amb los dels yo nan""",
    "es": """
de la que el en y a los se del las un por con no una su para es al lo como más o pero sus le ha me si sin sobre
este ya entre cuando todo esta ser son dos también fue había era muy años hasta desde está mi porque qué sólo
han yo hay
| y los el por las del con una | amb els dels unha não os uma ao pels""",
    "it": """
di che e la il un a per in una è del le non si con i da al ha più della sono come nel dei dal lo ma gli anche se
alla delle nella su o questo ci suo all dell era stato degli mi loro essere tra quando molto due hanno ai cui
prima
| che il della gli sono è nel di | els amb chì""",
    "pt": """
de a o que e do da em um para com não uma os no se na por mais as dos como mas ao ele das à seu sua ou quando
muito nos já eu também só pelo pela até isso ela entre depois sem mesmo aos seus quem nas me esse foi são está
ser tem
| não uma são também à pelo pela | unha polo pola""",
    "nl": """
de van een het en in is dat op te zijn met voor niet die er aan hij om ook als dan maar bij of uit nog door naar
over wel geen hebben heeft worden wordt ze tot kan meer al was deze moet nu zich werd dit veel hun ik je wat zou
ons
| een niet zijn wordt deze zich naar heeft | nie hulle fan hja""",
    "ru": """
и в не на что с по как это его к но он из за у от о для а же все так она бы было мы до или если уже при был были
их только еще ещё быть во где когда ее её после чем они есть может будет со того этого который которые под
| что это его для или как было он она они если уже
только быть будет когда после который которые её ещё
| че се това який які вже ў як се та""",
}
_PROFILES = {
    language: tuple(frozenset(part.split()) for part in words.split("|")) for language, words in _FUNCTION_WORDS.items()
}
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
    if fluent := _by_function_words(sample):
        return declared if _are_close(declared, fluent) else fluent
    if declared and letters < STRONG_LETTERS:
        return declared
    language, probability = _model().classify(encoded[:MODEL_BYTES])
    if declared is None:
        return str(language) if probability >= SURE and language in _CODES else None
    unlike = probability >= STRONG and language in _CODES and not _are_close(declared, language)
    return str(language) if unlike and declared in _model_languages() else declared


def _are_close(one: str | None, other: str) -> bool:
    """Whether an identifier takes these languages for each other."""
    return any(one in group and other in group for group in _CLOSE)


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


def _by_function_words(sample: str) -> str | None:
    """Name the language whose function words the sample is full of; None where no profile fits, or more than one.

    >>> _by_function_words("Der Zug, der um acht Uhr fahren sollte, ist auch heute nicht gekommen, und das ärgert sie.")
    'de'
    """
    words = _WORD.findall(sample.lower())
    if len(words) < MIN_WORDS:
        return None
    distinct = set(words)
    fitting = []
    for language, (function_words, own, of_relatives) in _PROFILES.items():
        if len(own & distinct) >= MIN_OWN_WORDS and not of_relatives & distinct:
            share = sum(word in function_words for word in words) / len(words)
            if share >= FUNCTION_SHARE:
                fitting.append((share, language))
    fitting.sort(reverse=True)
    if not fitting or (len(fitting) > 1 and fitting[1][0] > fitting[0][0] * RUNNER_UP):
        return None
    return fitting[0][1]


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
