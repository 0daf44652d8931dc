"""The language of a document, from what was declared and from its text."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.document import Document
from pipeline.stages.language import _CODES, _by_function_words, identify_language, normal_code

# One text of our own in each language: rain in the town, and a minister who stays.
TEXTS = {
    "en": "Last night it rained hard in the town and the streets were almost empty. The minister said he would stay.",
    "de": "Gestern Abend hat es in der Stadt stark geregnet und die Straßen waren fast leer. Der Minister bleibt.",
    "fr": "Hier soir il a beaucoup plu dans la ville et les rues étaient presque vides. Le ministre restera.",
    "es": "Anoche llovió mucho en la ciudad y las calles estaban casi vacías. El ministro dijo que no dimitirá.",
    "pt": "Ontem à noite choveu muito na cidade e as ruas estavam quase vazias. O ministro disse que não se demitirá.",
    "it": "Ieri sera in città ha piovuto molto e le strade erano quasi vuote. Il ministro non si dimetterà.",
    "nl": "Gisteravond heeft het in de stad hard geregend en de straten waren bijna leeg. De minister blijft zitten.",
    "sv": "I går kväll regnade det kraftigt i staden och gatorna var nästan tomma. Ministern sade att han inte avgår.",
    "fi": "Eilen illalla kaupungissa satoi rankasti ja kadut olivat lähes tyhjiä. Ministeri sanoi, ettei hän eroa.",
    "pl": "Wczoraj wieczorem w mieście mocno padało i ulice były prawie puste. Minister powiedział, że nie odejdzie.",
    "cs": "Včera večer ve městě silně pršelo a ulice byly téměř prázdné. Ministr řekl, že neodstoupí.",
    "hu": "Tegnap este nagy eső esett a városban, és az utcák majdnem üresek voltak. A miniszter nem mond le.",
    "ro": "Aseară a plouat mult în oraș, iar străzile erau aproape goale. Ministrul a spus că nu va demisiona.",
    "tr": "Dün akşam şehirde şiddetli yağmur yağdı ve sokaklar neredeyse boştu. Bakan istifa etmeyeceğini söyledi.",
    "vi": "Tối qua trời mưa rất to trong thành phố và đường phố gần như vắng tanh. Bộ trưởng nói ông sẽ không từ chức.",
    "id": "Tadi malam hujan deras turun di kota dan jalan-jalan hampir kosong. Menteri itu tidak akan mundur.",
    "ru": "Вчера вечером в городе прошёл сильный дождь, и улицы были почти пусты. Министр сказал, что не уйдёт.",
    "uk": "Учора ввечері в місті пройшов сильний дощ, і вулиці були майже порожні. Міністр сказав, що не піде.",
    "bg": "Снощи в града валя силен дъжд и улиците бяха почти празни. Министърът каза, че няма да подаде оставка.",
    "el": "Χθες το βράδυ έβρεξε πολύ στην πόλη και οι δρόμοι ήταν σχεδόν άδειοι.",
    "he": "אתמול בערב ירד גשם חזק בעיר והרחובות היו כמעט ריקים.",
    "ar": "هطل مطر غزير على المدينة مساء أمس وكانت الشوارع شبه خالية. وقال الوزير إنه لن يستقيل.",
    "fa": "دیشب در شهر باران شدیدی بارید و خیابان‌ها تقریباً خالی بودند. وزیر گفت که استعفا نمی‌دهد.",
    "hi": "कल शाम शहर में भारी बारिश हुई और सड़कें लगभग खाली थीं। मंत्री ने कहा कि वह इस्तीफा नहीं देंगे।",
    "th": "เมื่อวานนี้ตอนเย็นฝนตกหนักในเมือง ถนนเกือบจะว่างเปล่า",
    "zh": "昨天晚上城里下了一场大雨，街上几乎没有人。部长说他不会辞职。",
    "ja": "昨日の夕方、町では大雨が降り、通りにはほとんど人がいませんでした。",
    "ko": "어제 저녁 도시에 비가 많이 내려서 거리는 거의 비어 있었다.",
    "ka": "გუშინ საღამოს ქალაქში ძლიერად წვიმდა და ქუჩები თითქმის ცარიელი იყო.",
    "ta": "நேற்று மாலை நகரத்தில் கனமழை பெய்தது, தெருக்கள் கிட்டத்தட்ட காலியாக இருந்தன.",
}

PROSE = {
    "en": "She said that the house at the end of the road was empty and that no one had lived there for years.",
    "de": "Sie sagte, dass das Haus am Ende der Straße leer war und dass dort seit Jahren niemand mehr gewohnt hatte.",
    "fr": "Elle a dit que les maisons au bout de la rue étaient vides et qu'une famille qui vivait là est partie.",
    "es": "Dijo que la casa al final de la calle estaba vacía y que por las noches los vecinos no se acercaban.",
    "it": "Disse che la casa alla fine della strada era vuota e che nel paese non ci sono più gli abitanti.",
    "pt": "Ela disse que a casa no fim da rua não tem ninguém e que uma família também saiu pelo mesmo motivo.",
    "nl": "Ze zei dat het huis aan het einde van de straat leeg was en dat er al jaren niet meer een gezin woonde.",
}


def language_of(text: str, declared: str | None = None) -> str | None:
    return identify_language(Document("a.txt", text, language=declared)).language


@pytest.mark.parametrize(("language", "text"), TEXTS.items())
@pytest.mark.parametrize("copies", [1, 40])
def test_two_sentences_are_enough(language: str, text: str, copies: int) -> None:
    """Each language is known from two sentences, and from a long text."""
    assert language_of((text + " ") * copies) == language


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   \n",
        "ok",
        "12345 67890 11:30 — 14.5 %",
        "§ ¶ ∑ ☺☺☺",
        "asdf jkl qwer zxcv uiop hjkl bnm asdf",
        "https://example.org/the/and/of/that",
    ],
)
def test_no_language_where_there_is_no_text(text: str) -> None:
    """Too little text, numbers and keyboard noise have no language."""
    assert language_of(text) is None


@pytest.mark.parametrize(
    ("declared", "code"),
    [
        ("en-US", "en"),
        ("EN_gb", "en"),
        ("pt_BR.UTF-8", "pt"),
        ("zh-Hant-TW", "zh"),
        ("eng", "en"),
        ("ger-DE", "de"),
        ("English", "en"),
        ("iw", "he"),
        ("jp", "ja"),
        (" fr ", "fr"),
        ("x-default", None),
        ("und", None),
        ("", None),
        ("klingon", None),
        ("en us", None),
        (None, None),
    ],
)
def test_declared_tags_are_normalised(declared: str | None, code: str | None) -> None:
    """A tag, an old code or a name becomes the ISO 639-1 code; nonsense becomes none."""
    assert normal_code(declared) == code


@pytest.mark.parametrize(
    ("text", "declared", "language"),
    [
        ("Ja.", "de-AT", "de"),  # too little to say otherwise
        (TEXTS["sv"], "no", "no"),  # one short text is no strong evidence
        (TEXTS["de"] * 5, "nonsense", "de"),
        (TEXTS["de"] * 5, "de-CH", "de"),
        (TEXTS["de"] * 5, "en", "de"),  # a template's lang="en"
        (TEXTS["en"] * 5, "fr", "en"),
        (TEXTS["ko"], "en", "ko"),
        (TEXTS["zh"], "ja", "ja"),  # the script does not speak against it
        (TEXTS["nl"] * 5, "nds", "nl"),
    ],
)
def test_declared_languages_stay_unless_the_text_is_clear(text: str, declared: str, language: str) -> None:
    """A declared language is overruled on strong evidence only."""
    assert language_of(text, declared) == language


@pytest.mark.parametrize(
    "text",
    [
        # Afrikaans, Catalan, Galician, Bulgarian, Luxembourgish, Ukrainian: full of words that a relative has too.
        "Die man het gister nie na die stad gegaan nie, want dit was te koud en die pad was nog altyd toe.",
        "Els carrers de la ciutat eren buits i la pluja no parava, però la gent no en va fer cap cas amb tot això.",
        "As rúas da cidade estaban baleiras e a chuvia non paraba, pero a xente non tiña unha casa onde ir.",
        "Улиците на града бяха празни и дъждът не спираше, но хората не се отказаха и чакаха да се отвори вратата.",
        "D'Strooss war eidel an de Reen huet net opgehalen, mee d'Leit hunn op déi nei Saache gewaart,",
        "Вулиці міста були порожні, і дощ не вщухав, але люди не пішли додому, бо чекали на того, хто відчинить двері.",
    ],
)
def test_relatives_are_not_taken_for_the_larger_language(text: str) -> None:
    """A profile of function words does not fit a near relative: the model decides."""
    assert _by_function_words(text) is None


@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "it", "pt", "nl"])
def test_profiles_know_their_own(language: str) -> None:
    """Ordinary prose of a profiled language is known without the model."""
    assert _by_function_words(PROSE[language]) == language


def test_unchanged_is_the_same_object() -> None:
    """A document whose language was right comes back itself."""
    document = Document("a.txt", TEXTS["en"], language="en")
    assert identify_language(document) is document


def test_threads_agree() -> None:
    """Many threads, started before the model is loaded, get the same answers."""
    texts = list(TEXTS.values()) * 5
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(language_of, texts)) == [language_of(text) for text in texts]


def test_import_loads_no_model() -> None:
    """Importing the stage costs nothing: the model's package is not imported, also not for English text."""
    program = (
        "import sys; from pipeline.stages.language import identify_language; from pipeline.document import Document;"
        f"assert identify_language(Document('a', {TEXTS['en']!r})).language == 'en';"
        "sys.exit('py3langid' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@given(st.text(max_size=300), st.one_of(st.none(), st.text(max_size=8)))
def test_any_text_gives_a_code_or_none(text: str, declared: str | None) -> None:
    """No text crashes it, and what it says is ISO 639-1; saying it again changes nothing."""
    document = identify_language(Document("a.txt", text, language=declared))
    assert document.language is None or document.language in _CODES
    assert identify_language(document) is document
