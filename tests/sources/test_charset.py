"""Bytes to text: charsets, byte order marks, newlines, binary."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DocumentRejected
from pipeline.sources.charset import CODECS, declared_in_html, decode, encode, label_to_charset

# Texts of our own, two sentences each, in the charsets that their languages were written in.
TEXTS = {
    ("windows-1252",): [
        "Der Käufer ging früh über die Straße, weil das Geschäft schon um fünf schließt.",
        "Le café près de l’église était fermé jusqu’à Noël, mais le garçon rouvrirait bientôt.",
        "El niño pequeño preguntó: ¿mañana habrá más canción en el salón?",
        "A estação não abrirá amanhã; os irmãos já estão à espera da decisão.",
        "Är det så att älgen går över ån på hösten?",
        "He said it’s “fine” – and the price was £20, not €25. The café won’t open.",
    ],
    ("windows-1250", "iso-8859-2"): [
        "Zażółć gęślą jaźń. Wszyscy ludzie rodzą się wolni i równi pod względem godności.",
        "Příliš žluťoučký kůň úpěl ďábelské ódy. Dům stál na kopci blízko řeky.",
        "Az öregember tegnap elment a városba, hogy kenyeret vegyen, de az üzlet zárva volt. Őszi eső esik.",
    ],
    ("windows-1251", "koi8-r", "ibm866", "iso-8859-5"): [
        "Вчера вечером в городе прошёл сильный дождь, и улицы были почти пусты.",
        "Он долго стоял у окна и смотрел, как уходит последний поезд.",
    ],
    ("windows-1251", "koi8-u"): ["Учора ввечері в місті пройшов сильний дощ, і вулиці були майже порожні. Її чекають."],
    ("windows-1253", "iso-8859-7"): ["Χθες το βράδυ έβρεξε πολύ στην πόλη και οι δρόμοι ήταν σχεδόν άδειοι."],
    ("windows-1254",): ["Dün akşam şehirde şiddetli yağmur yağdı ve sokaklar neredeyse boştu."],
    ("windows-1255",): ["אתמול בערב ירד גשם חזק בעיר והרחובות היו כמעט ריקים."],
    ("windows-1256",): ["هطل مطر غزير على المدينة مساء أمس وكانت الشوارع شبه خالية."],
    ("windows-1257",): ["Vakar vakare mieste smarkiai lijo, gatvės buvo beveik tuščios, žmonės skubėjo namo."],
    ("windows-874",): ["เมื่อวานนี้ตอนเย็นฝนตกหนักในเมือง ถนนเกือบจะว่างเปล่า"],
    ("gbk", "gb18030"): ["昨天晚上城里下了一场大雨，街上几乎没有人。", "他在窗前站了很久，看着最后一班火车离开。"],
    ("big5",): ["昨天晚上城裡下了一場大雨，街上幾乎沒有人。", "他在窗前站了很久，看著最後一班火車離開。"],
    ("shift_jis", "euc-jp", "iso-2022-jp"): ["昨日の夕方、町では大雨が降り、通りにはほとんど人がいませんでした。"],
    ("euc-kr",): ["어제 저녁 도시에 비가 많이 내려서 거리는 거의 비어 있었다."],
}
CASES = [(charset, text) for charsets, texts in TEXTS.items() for text in texts for charset in charsets]


def _encodable(text: str, charset: str) -> str:
    return text.encode(CODECS[charset], "ignore").decode(CODECS[charset])


@pytest.mark.parametrize(("charset", "text"), CASES)
@pytest.mark.parametrize("length", [25, 50, 1_000])
def test_undeclared_bytes_are_read_in_their_own_charset(charset: str, text: str, length: int) -> None:
    """A line of text in a charset of its language is read right without any declaration, even cut to 25 characters."""
    text = _encodable(text[:length], charset)
    assert decode(text.encode(CODECS[charset])).text == text


@pytest.mark.parametrize(("charset", "text"), CASES)
def test_right_declarations_are_believed(charset: str, text: str) -> None:
    """A right declaration gives the right text, also of one word."""
    for cut in (text[:6], text):
        cut = _encodable(cut, charset)
        assert decode(cut.encode(CODECS[charset]), declared=charset).text == cut


@pytest.mark.parametrize(("charset", "text"), CASES)
def test_utf8_needs_no_declaration(charset: str, text: str) -> None:
    """Valid UTF-8 is UTF-8, whatever was declared."""
    decoded = decode(text.encode(), declared=charset)
    assert (decoded.text, decoded.charset) == (text, "utf-8")


@pytest.mark.parametrize(
    ("declared", "charset", "text"),
    [
        ("iso-8859-1", "windows-1251", "Вчера вечером в городе прошёл сильный дождь."),
        ("windows-1251", "koi8-r", "Вчера вечером в городе прошёл сильный дождь."),
        ("windows-1251", "windows-1252", "Der Käufer ging früh über die Straße."),
        ("iso-8859-1", "gbk", "昨天晚上城里下了一场大雨，街上几乎没有人。"),
        ("iso-8859-1", "shift_jis", "昨日の夕方、町では大雨が降りました。"),
        ("utf-8", "windows-1252", "Le café était fermé."),
        ("utf-8", "windows-1251", "Вчера вечером в городе прошёл дождь."),
    ],
)
def test_a_wrong_declaration_is_overruled(declared: str, charset: str, text: str) -> None:
    """A declaration that gives noise where the bytes show another charset is not believed."""
    decoded = decode(text.encode(CODECS[charset]), declared=declared)
    assert (decoded.text, decoded.evidence) == (text, "detected")


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("windows-1251", "ВЧЕРА ВЕЧЕРОМ В ГОРОДЕ ПРОШЁЛ СИЛЬНЫЙ ДОЖДЬ"),
        ("koi8-r", "он долго стоял у окна"),
        ("windows-1250", "ŽLUŤOUČKÝ KŮŇ"),
        ("windows-1252", "IT’S A “CAFÉ” – £20"),
        ("macintosh", "El niño pequeño preguntó."),
        ("windows-1253", "ΧΘΕΣ ΤΟ ΒΡΑΔΥ"),
    ],
)
def test_capitals_do_not_overrule_a_right_declaration(charset: str, text: str) -> None:
    """Unusual but possible text is not evidence against what was declared."""
    assert decode(text.encode(CODECS[charset]), declared=charset).text == text


@pytest.mark.parametrize(
    ("label", "charset"),
    [
        ("iso-8859-1", "windows-1252"),
        ("latin1", "windows-1252"),
        ("US-ASCII", "windows-1252"),
        ("iso-8859-9", "windows-1254"),
        ("tis-620", "windows-874"),
        ("GB2312", "gbk"),
        ("x-sjis", "shift_jis"),
        ("Windows-31J", "shift_jis"),
        ("ks_c_5601-1987", "euc-kr"),
        ("win-1251", "windows-1251"),
        ("text/html; charset=koi8-r", "koi8-r"),
        ('text/html; charset="UTF-8"', "utf-8"),
        ("text/html", None),
        ("utf-7", None),
        ("martian", None),
        ("rot13", None),
        ("\0", None),
        ("", None),
        (None, None),
    ],
)
def test_labels_mean_what_browsers_take_them_for(label: str | None, charset: str | None) -> None:
    """A label is read as the WHATWG standard reads it; an unknown one says nothing."""
    assert label_to_charset(label) == charset


@pytest.mark.parametrize(
    ("head", "charset"),
    [
        (b"<html><head><meta charset=windows-1251>", "windows-1251"),
        (b"<META HTTP-EQUIV='Content-Type' CONTENT='text/html; charset=EUC-JP'>", "euc-jp"),
        (b"<?xml version='1.0' encoding='koi8-r'?><html>", "koi8-r"),
        (b"<meta charset=utf-16>", "utf-8"),
        (b"<!-- <meta charset=big5> --><p>none", None),
        (b"<p>charset=big5", None),
        (b" " * 5_000 + b"<meta charset=big5>", None),
    ],
)
def test_html_declares_its_charset_in_its_head(head: bytes, charset: str | None) -> None:
    """`<meta>` and the XML declaration count, comments and prose do not."""
    assert declared_in_html(head) == charset


def test_meta_is_followed_only_in_html() -> None:
    """A text about `<meta charset>` is not declared by it."""
    data = "<meta charset=koi8-r> Он долго стоял у окна.".encode("koi8-r")
    assert decode(data, html=True).charset == "koi8-r"
    short = b"<meta charset=koi8-r> caf\xe9"
    assert decode(short).text.endswith("café")


@pytest.mark.parametrize("charset", ["utf-16le", "utf-16be", "utf-32le", "utf-32be"])
@pytest.mark.parametrize("text", ["Plain words, two lines.\nAnd a second.", "Он долго стоял у окна.\nИ ушёл."])
@pytest.mark.parametrize("mark", ["\ufeff", ""])
def test_utf16_and_utf32_with_and_without_a_mark(charset: str, text: str, mark: str) -> None:
    """Wide charsets are found by their mark, or by where their zero bytes stand."""
    decoded = decode((mark + text).encode(CODECS[charset]))
    assert (decoded.text, decoded.charset, decoded.bom) == (text, charset, bool(mark))


@pytest.mark.parametrize(
    ("data", "text", "newlines"),
    [
        (b"one", "one", "lf"),
        (b"one\ntwo\n", "one\ntwo\n", "lf"),
        (b"one\r\ntwo\r\n", "one\ntwo\n", "crlf"),
        (b"one\rtwo\r", "one\ntwo\n", "cr"),
        (b"one\r\ntwo\n", "one\r\ntwo\n", "mixed"),
        (b"one\r\r\ntwo", "one\r\r\ntwo", "mixed"),
    ],
)
def test_uniform_newlines_are_normalised_and_named(data: bytes, text: str, newlines: str) -> None:
    """Only where every break is the same is it replaced, so that it can be put back."""
    decoded = decode(data)
    assert (decoded.text, decoded.newlines) == (text, newlines)
    assert encode(decoded) == data


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"%PDF-1.7\n%\xe2\xe3", "a PDF"),
        (b"PK\x03\x04" + bytes(range(256)), "ZIP"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "PNG"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "JPEG"),
        (b"{\\rtf1\\ansi Hello}", "RTF"),
        (b"RIFF\x10\0\0\0WEBPVP8 " + bytes(200), "WebP"),
        (b"\0\0\0\x20ftypisom" + bytes(range(256)), "video"),
        (bytes(range(256)) * 20, "no readable text"),
        (b"\0" * 1_000, "no readable text"),
    ],
)
def test_binary_is_rejected_by_name(data: bytes, said: str) -> None:
    """Binary data is rejected, and the reason says what it is and what to do."""
    with pytest.raises(DocumentRejected, match=rf"^binary: .*{said}.*\. [A-Z].*\.$"):
        decode(data)


@pytest.mark.parametrize(
    "data",
    [b"a few words\0 and one zero byte", b"\x1b[1mbold\x1b[0m text", b"dos text\r\n\x1a", b"", b"PK is a name", b"BMW"],
)
def test_text_with_a_stray_control_character_is_text(data: bytes) -> None:
    """One zero byte, terminal escapes or the end mark of a DOS file do not make a text binary."""
    assert encode(decode(data)) == data


def test_broken_utf8_is_still_utf8() -> None:
    """Where most sequences are whole, the broken one becomes U+FFFD and the rest is read."""
    decoded = decode("Он долго стоял у окна.".encode()[:-3] + b"\xd0", declared=None)
    assert (decoded.charset, decoded.replaced) == ("utf-8", 1)
    assert decoded.text.startswith("Он долго стоял у окн")


def test_bytes_a_code_page_leaves_open_survive() -> None:
    """0x81 in windows-1252 becomes the C1 control, as in browsers, and goes back."""
    data = "Le café près de l’église était fermé jusqu’à Noël.".encode("cp1252") + b"\x81"
    decoded = decode(data, "windows-1252")
    assert decoded.text.endswith("\x81")
    assert encode(decoded) == data


@given(st.binary(max_size=400), st.sampled_from([None, *CODECS]), st.booleans())
def test_any_bytes_are_decoded_or_rejected(data: bytes, declared: str | None, html: bool) -> None:
    """No bytes crash it; what it decodes without loss goes back exactly."""
    try:
        decoded = decode(data, declared, html)
    except DocumentRejected as error:
        assert error.reason.startswith("binary: ")
        return
    if decoded.charset == "utf-8" and not decoded.replaced:
        assert encode(decoded) == data


@given(st.text(max_size=200))
def test_utf8_goes_there_and_back(text: str) -> None:
    """UTF-8 text is itself, newlines and marks apart."""
    try:
        data = text.encode()
    except UnicodeEncodeError:
        return
    try:
        decoded = decode(data)
    except DocumentRejected:
        return
    assert encode(decoded) == data


def test_the_common_case_is_cheap() -> None:
    """UTF-8 costs a small multiple of Python's own decoding (a wide bound: this is no benchmark)."""
    data = ("He said it’s fine, and the price was £20. " * 50_000).encode()
    start = time.perf_counter()
    data.decode()
    plain = time.perf_counter() - start
    start = time.perf_counter()
    decode(data)
    assert time.perf_counter() - start < 20 * plain + 0.01
