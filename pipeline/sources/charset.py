"""Bytes to text: what the bytes are, in which charset, and what could not be read.

The order of belief: a byte order mark; valid UTF-8; UTF-16 or UTF-32 that shows itself by its zero
bytes; what was declared (HTTP, `<meta>`, XML); what the bytes look like (uchardet, by way of
resiliparse, checked against its rivals). Labels mean what the WHATWG Encoding Standard says they mean
(https://encoding.spec.whatwg.org/#names-and-labels): a page that says `iso-8859-1` is windows-1252.
A declaration is overruled only on evidence: bytes that it cannot decode, or letters that no one writes
(`Ïðèâåò`, `Kдufer`) where another charset gives words.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import Literal

from pipeline.errors import DocumentRejected
from pipeline.sources.plausibility import plausibility

Newlines = Literal["lf", "crlf", "cr", "mixed"]
Evidence = Literal["ascii", "bom", "utf-8", "utf-16/32", "declared", "detected"]

SAMPLE_BYTES = 65_536  # what is looked at to tell binary from text and one charset from another
META_BYTES = 4_096  # browsers look for <meta charset> in 1,024 bytes; real pages put it later
MAX_CONTROLS = 0.01  # share of control characters above which bytes are no text; real text has next to none
UTF8_ODDS = 2  # valid multi-byte sequences for each broken one, from which broken UTF-8 is still UTF-8
PLAUSIBLE = 0.7  # a declared charset whose text scores this much is believed without a second look
MARGIN = 0.15  # how much more plausible another charset must be to overrule a declared one

# WHATWG name -> Python codec: the wider one, where the codec of the same name is narrower than what browsers decode.
CODECS = {
    "utf-8": "utf-8",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
    "utf-32le": "utf-32-le",  # not WHATWG's, but files have it
    "utf-32be": "utf-32-be",
    "ibm866": "cp866",
    **{f"iso-8859-{part}": f"iso8859-{part}" for part in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)},
    "koi8-r": "koi8-r",
    "koi8-u": "koi8-u",
    "macintosh": "mac-roman",
    "windows-874": "cp874",
    **{f"windows-{page}": f"cp{page}" for page in range(1250, 1259)},
    "x-mac-cyrillic": "mac-cyrillic",
    "gbk": "gb18030",
    "gb18030": "gb18030",
    "big5": "cp950",
    "euc-jp": "euc_jp",
    "iso-2022-jp": "iso2022_jp_2",
    "shift_jis": "cp932",
    "euc-kr": "cp949",
}
_BY_CODEC = {codecs.lookup(codec).name: name for name, codec in CODECS.items()} | {
    # Python's names of charsets that the standard maps to a wider one.
    "ascii": "windows-1252",
    "iso8859-1": "windows-1252",
    "iso8859-9": "windows-1254",
    "iso8859-11": "windows-874",
    "tis-620": "windows-874",
    "gb2312": "gbk",
    "gbk": "gbk",
    "gb18030": "gb18030",
    "big5": "big5",
    "big5hkscs": "big5",
    "shift_jis": "shift_jis",
    "euc_kr": "euc-kr",
    "iso2022_jp": "iso-2022-jp",
    "utf-16": "utf-16le",
    "utf-32": "utf-32le",
    "utf-8-sig": "utf-8",
}
_LABELS = {
    # Labels of the standard (and frequent misspellings) that Python's codec registry does not know.
    "unicode-1-1-utf-8": "utf-8",
    "x-unicode20utf8": "utf-8",
    "unicode": "utf-16le",
    "gb_2312-80": "gbk",
    "x-gbk": "gbk",
    "x-sjis": "shift_jis",
    "windows-31j": "shift_jis",
    "x-x-big5": "big5",
    "x-euc-jp": "euc-jp",
    "ks_c_5601-1989": "euc-kr",
    "windows-949": "euc-kr",
    "koi": "koi8-r",
    "koi8": "koi8-r",
    "koi8-ru": "koi8-u",
    "dos-874": "windows-874",
    "x-mac-roman": "macintosh",
    "mac": "macintosh",
    "x-mac-ukrainian": "x-mac-cyrillic",
    "iso-8859-8-i": "iso-8859-8",
    "logical": "iso-8859-8",
    "visual": "iso-8859-8",
}
_CODE_PAGE = re.compile(r"(?:x-|ms-?|microsoft-)?(?:cp|win|windows)[-_]?(125[0-8]|874)")
_META = re.compile(rb"""<meta\b[^>]*?\bcharset\s*=\s*["']?\s*([A-Za-z0-9_:.()-]+)""", re.IGNORECASE)
_XML = re.compile(rb"""\s*<\?xml\b[^>]*?\bencoding\s*=\s*["']\s*([A-Za-z0-9_:.()-]+)""", re.IGNORECASE)
_COMMENT = re.compile(rb"<!--.*?(?:-->|\Z)", re.DOTALL)
_HTTP = re.compile(r"charset\s*=\s*[\"']?([^\s\"';]+)", re.IGNORECASE)
_ISO_2022_JP = re.compile(rb"\x1b\$[@B]|\x1b\([IJ]")
_HIGH = re.compile(rb"[\x80-\xff]")
_MULTI_BYTE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
# All C0 controls but tab, newlines, form feed, backspace (old manuals), escape (terminal logs), ^Z (end of a DOS file).
_CONTROLS = bytes({*range(0x20), 0x7F} - {*b"\t\n\r\f\b\x1b\x1a"})

_BOMS = (  # the longer first: the mark of UTF-32 begins with that of UTF-16
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "utf-32le"),
    (b"\x00\x00\xfe\xff", "utf-32be"),
    (b"\xff\xfe", "utf-16le"),
    (b"\xfe\xff", "utf-16be"),
)
_UNPACK = "Unpack or convert it, and give the text or HTML that is inside."
_CONVERT = "Convert it to text or HTML first."
_NO_TEXT = "Leave it out of RAW."
_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"%PDF-", "a PDF", _CONVERT),
    (b"PK\x03\x04", "a ZIP archive (DOCX, XLSX, ODT and EPUB are ZIP too)", _UNPACK),
    (b"PK\x05\x06", "an empty ZIP archive", _NO_TEXT),
    (b"\x89PNG\r\n\x1a\n", "a PNG image", _NO_TEXT),
    (b"\xff\xd8\xff", "a JPEG image", _NO_TEXT),
    (b"GIF87a", "a GIF image", _NO_TEXT),
    (b"GIF89a", "a GIF image", _NO_TEXT),
    (b"II*\x00", "a TIFF image", _NO_TEXT),
    (b"MM\x00*", "a TIFF image", _NO_TEXT),
    (b"\x00\x00\x01\x00", "an icon", _NO_TEXT),
    (b"\x1f\x8b", "gzip data", "Name it .gz, or unpack it."),
    (b"\x28\xb5\x2f\xfd", "Zstandard data", "Name it .zst, or unpack it."),
    (b"BZh91AY&SY", "bzip2 data", _UNPACK),
    (b"\xfd7zXZ\x00", "xz data", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Microsoft Office document", _CONVERT),
    (b"{\\rtf", "an RTF document", _CONVERT),
    (b"%!PS", "a PostScript document", _CONVERT),
    (b"PAR1", "a Parquet file", "Name it .parquet."),
    (b"ARROW1\x00\x00", "an Arrow file", "Convert it to Parquet or JSONL."),
    (b"SQLite format 3\x00", "an SQLite database", "Export its text as JSONL."),
    (b"\x7fELF", "a program", _NO_TEXT),
    (b"\xca\xfe\xba\xbe", "a program", _NO_TEXT),
    (b"MZ\x90\x00", "a program", _NO_TEXT),
    (b"wOFF", "a font", _NO_TEXT),
    (b"wOF2", "a font", _NO_TEXT),
    (b"\x00\x01\x00\x00", "a font", _NO_TEXT),
    (b"OTTO\x00", "a font", _NO_TEXT),
    (b"OggS\x00", "audio", _NO_TEXT),
    (b"fLaC\x00", "audio", _NO_TEXT),
    (b"ID3\x03", "audio", _NO_TEXT),
    (b"ID3\x04", "audio", _NO_TEXT),
    (b"\x1a\x45\xdf\xa3", "video", _NO_TEXT),
)
_MAGIC_STARTS = tuple(start for start, _, _ in _MAGIC)


@dataclass(frozen=True, slots=True)
class Decoded:
    r"""The text of some bytes, and what it takes to get the bytes back.

    `charset` is the WHATWG name. `newlines` says what stood where `text` has "\n": "crlf" and "cr" only
    where every line break was one ("mixed": left as they were). `bom`: a byte order mark stood in front
    (it is not in `text`). `replaced` counts the U+FFFD put where bytes could not be decoded: where it
    is 0, `encode(decoded)` gives the bytes. `evidence` says why this charset.
    """

    text: str
    charset: str
    newlines: Newlines = "lf"
    bom: bool = False
    replaced: int = 0
    evidence: Evidence = "utf-8"


def decode(data: bytes, declared: str | None = None, html: bool = False) -> Decoded:
    r"""Read the text in `data`. `declared` is a charset label or a whole Content-Type.

    `html` says that a `<meta charset>` in it counts.

    >>> decode(b"caf\xe9, \x93so\x94", "iso-8859-1").text
    'café, “so”'
    >>> decode(b"caf\xc3\xa9", "iso-8859-1").text
    'café'
    >>> decode(b"one\r\ntwo")
    Decoded(text='one\ntwo', charset='utf-8', newlines='crlf', bom=False, replaced=0, evidence='ascii')

    Bytes that are no text in the chosen charset become U+FFFD. Raises DocumentRejected for binary data.
    """
    for bom, charset in _BOMS:
        if data.startswith(bom):
            return _decoded(data[len(bom) :], charset, "bom", bom=True)
    if data.startswith(_MAGIC_STARTS):
        _reject_magic(data)
    head = data[:SAMPLE_BYTES]
    controls = len(head) - len(head.translate(None, _CONTROLS))
    if controls and (wide := _wide(data)):
        return _decoded(data, wide, "utf-16/32")
    if controls > max(4, MAX_CONTROLS * len(head)):
        raise DocumentRejected(f"binary: {_kind_of_binary(data)}. {_NO_TEXT}")
    if data.isascii():
        if b"\x1b" in head and _ISO_2022_JP.search(head):
            return _decoded(data, "iso-2022-jp", "detected")
        return _with_newlines(data.decode("ascii"), "utf-8", "ascii")
    try:
        return _with_newlines(data.decode("utf-8"), "utf-8", "utf-8")
    except UnicodeDecodeError:
        pass
    stated = label_to_charset(declared) or (declared_in_html(data) if html else None)
    if stated in (None, "utf-8") and _mostly_utf8(data):
        return _decoded(data, "utf-8", "declared" if stated else "utf-8")
    charset, evidence = _choose(_telling(data), stated)
    return _decoded(data, charset, evidence)


def encode(decoded: Decoded) -> bytes:
    """Give back the bytes that `decode` was given; exact where nothing was replaced and a text has one spelling."""
    newline = {"crlf": "\r\n", "cr": "\r"}.get(decoded.newlines, "\n")
    text = decoded.text.replace("\n", newline) if newline != "\n" else decoded.text
    data = text.encode(CODECS[decoded.charset], "clean-corpus-c1" if _single_byte(decoded.charset) else "replace")
    mark = next(bom for bom, charset in _BOMS if charset == decoded.charset) if decoded.bom else b""
    return mark + data


def label_to_charset(label: str | None) -> str | None:
    """Find the WHATWG charset that a label (or a Content-Type header) names, or None.

    >>> label_to_charset("ISO-8859-1"), label_to_charset("text/html; charset=GB2312"), label_to_charset("martian")
    ('windows-1252', 'gbk', None)
    """
    if not label:
        return None
    if "=" in label or "/" in label:
        found = _HTTP.search(label)
        if found is None:
            return None
        label = found[1]
    label = label.strip().strip("\"'").lower()
    if label in _LABELS:
        return _LABELS[label]
    if page := _CODE_PAGE.fullmatch(label):
        return f"windows-{page[1]}"
    try:
        return _BY_CODEC.get(codecs.lookup(label).name)
    except (LookupError, ValueError, UnicodeError):
        return None


def declared_in_html(data: bytes) -> str | None:
    """Find the charset an HTML page or XML file declares in its first bytes; UTF-16 there means UTF-8, as in browsers.

    >>> declared_in_html(b'<!-- <meta charset="big5"> --><meta http-equiv=x content="text/html; charset=Shift_JIS">')
    'shift_jis'
    """
    head = data[:META_BYTES]
    found = _XML.match(head) or _META.search(_COMMENT.sub(b"", head))
    charset = label_to_charset(found[1].decode("ascii")) if found else None
    return "utf-8" if charset and charset.startswith(("utf-16", "utf-32")) else charset


def _choose(sample: bytes, stated: str | None) -> tuple[str, Evidence]:
    """Choose the charset of bytes that are not UTF-8, given what was declared."""
    if stated and stated != "utf-8" and _score(sample, stated) >= PLAUSIBLE:
        return stated, "declared"
    detected = _detect(sample)
    if stated is None:
        return detected, "detected"
    if stated == "utf-8":  # the bytes are not UTF-8, nor nearly so
        return detected, "detected"
    if _score(sample, detected) < _score(sample, stated) + MARGIN:
        return stated, "declared"
    return detected, "detected"


# Who may overrule uchardet: charset -> how much more plausible it must be. Common on the web first; charsets of
# dead systems need more. Chinese, Japanese and Korean decoders make some word of nearly any pair of bytes.
_RIVALS = {
    **dict.fromkeys(("windows-1252", "windows-1251", "koi8-r", "koi8-u", "windows-1250", "iso-8859-2"), 0.1),
    **dict.fromkeys(("windows-1254", "windows-1257"), 0.1),
    **dict.fromkeys(("windows-1253", "windows-1255", "windows-1256"), 0.3),
    **dict.fromkeys(("ibm866", "iso-8859-5", "macintosh", "x-mac-cyrillic", "windows-874"), 0.3),
    **dict.fromkeys(("gb18030", "shift_jis", "euc-jp", "big5", "euc-kr"), 0.6),
}
# What uchardet says of short texts in Western European letters, and what web pages then are.
_UNLIKELY = {
    "iso-8859-4": "windows-1257",
    "iso-8859-10": "windows-1252",
    "iso-8859-13": "windows-1257",
    "iso-8859-14": "windows-1252",
    "iso-8859-16": "windows-1250",
    "windows-1258": "windows-1252",
}


def _detect(sample: bytes) -> str:
    """Guess the likeliest charset: uchardet's answer, unless a rival gives clearly more plausible words."""
    from resiliparse.parse.encoding import detect_encoding  # 13 ms that UTF-8 documents need not pay

    answer = label_to_charset(detect_encoding(sample, max_len=0, html5_compatible=False)) or "windows-1252"
    answer = _UNLIKELY.get(answer, answer)
    if answer.startswith("utf-") or (answer == "iso-8859-15" and b"\xa4" not in sample):
        answer = "windows-1252"  # they differ in eight characters, of which only the euro sign (0xA4) is in use
    best, best_score = answer, _score(sample, answer)
    for rival, margin in _RIVALS.items():
        if best_score + margin > 1:
            continue
        score = _score(sample, rival)
        if score >= max(best_score + margin, PLAUSIBLE):
            best, best_score = rival, score
    return best


def _score(sample: bytes, charset: str) -> float:
    """How much `sample` reads like text in `charset`: 1 for words, below 0 for noise."""
    decoder = codecs.getincrementaldecoder(CODECS[charset])("clean-corpus-c1" if _single_byte(charset) else "replace")
    return plausibility(decoder.decode(sample))


def _telling(data: bytes) -> bytes:
    """Cut a bounded piece of `data` from just before its first byte above 0x7F: what is before says nothing."""
    found = _HIGH.search(data)
    start = max(0, found.start() - 200) if found else 0
    return data[start : start + SAMPLE_BYTES]


def _mostly_utf8(data: bytes) -> bool:
    """Whether broken UTF-8 is still UTF-8: far more whole sequences than broken ones."""
    sample = _telling(data)
    whole = len(_MULTI_BYTE.findall(sample))
    rest = _MULTI_BYTE.sub(b"", sample)
    return whole > UTF8_ODDS * len(_HIGH.findall(rest))


def _wide(data: bytes) -> str | None:
    """Find the UTF-16 or UTF-32 that `data` is without a byte order mark, by where its zero bytes stand; else None."""
    sample = data[: min(len(data), SAMPLE_BYTES) & ~3] or data
    if b"\0" not in sample or len(data) % 2:
        return None
    quarters = [sample[offset::4].count(0) / max(1, len(sample) / 4) for offset in range(4)]
    if len(data) % 4 == 0 and len(sample) >= 4 and min(quarters[2], quarters[3]) > 0.9 and quarters[0] < 0.5:
        order = ["utf-32le"]
    elif len(data) % 4 == 0 and len(sample) >= 4 and min(quarters[0], quarters[1]) > 0.9 and quarters[3] < 0.5:
        order = ["utf-32be"]
    else:
        even, odd = sample[0::2].count(0), sample[1::2].count(0)
        order = ["utf-16le", "utf-16be"] if odd > even else ["utf-16be", "utf-16le"]
    for charset in order:
        try:
            text = codecs.getincrementaldecoder(CODECS[charset])("strict").decode(sample)
        except UnicodeDecodeError:
            continue
        controls = sum(1 for character in text if character < " " and character not in "\t\n\r\f")
        if controls <= MAX_CONTROLS * len(text) and plausibility(text) >= PLAUSIBLE:
            return charset
    return None


def _decoded(data: bytes, charset: str, evidence: Evidence, bom: bool = False) -> Decoded:
    """Decode; what the charset does not have becomes U+FFFD (in single-byte charsets 0x80-0x9F become C1 controls)."""
    codec = CODECS[charset]
    try:
        return _with_newlines(data.decode(codec), charset, evidence, bom)
    except UnicodeDecodeError:
        pass
    if charset == "big5":  # Hong Kong's characters are in the standard's Big5, but not in Python's cp950
        try:
            return _with_newlines(data.decode("big5hkscs"), charset, evidence, bom)
        except UnicodeDecodeError:
            pass
    text = data.decode(codec, "clean-corpus-c1" if _single_byte(charset) else "replace")
    return _with_newlines(text, charset, evidence, bom, replaced=text.count("\ufffd"))


def _with_newlines(text: str, charset: str, evidence: Evidence, bom: bool = False, replaced: int = 0) -> Decoded:
    r"""Make line breaks "\n" where all of them were CRLF, or all CR."""
    newlines: Newlines = "lf"
    if "\r" in text:
        returns, feeds, pairs = text.count("\r"), text.count("\n"), text.count("\r\n")
        if returns == feeds == pairs:
            text, newlines = text.replace("\r\n", "\n"), "crlf"
        elif not feeds:
            text, newlines = text.replace("\r", "\n"), "cr"
        else:
            newlines = "mixed"
    return Decoded(text, charset, newlines, bom, replaced, evidence)


def _single_byte(charset: str) -> bool:
    """Whether one byte is one character in this charset."""
    return charset.startswith(("windows-", "iso-8859-", "koi8-", "mac", "x-mac", "ibm"))


def _reject_magic(data: bytes) -> None:
    """Raise DocumentRejected that says what file this is, by its first bytes."""
    for start, name, next_step in _MAGIC:
        if data.startswith(start):
            raise DocumentRejected(f"binary: {name}. {next_step}")


def _kind_of_binary(data: bytes) -> str:
    """Say what binary data is, where its first bytes do not stand in a table."""
    if data[:4] == b"RIFF":
        return {b"WEBP": "a WebP image", b"WAVE": "audio", b"AVI ": "video"}.get(data[8:12], "a media file")
    if data[4:8] == b"ftyp":
        return "an image" if data[8:12] in (b"avif", b"heic", b"mif1") else "video or audio"
    if data[:2] == b"BM":
        return "a BMP image"
    return "control characters and no readable text"


def _c1(error: UnicodeError) -> tuple[str | bytes, int]:
    """Error handler: bytes 0x80-0x9F that a code page leaves open are C1 controls (WHATWG), others U+FFFD; and back."""
    if isinstance(error, UnicodeDecodeError):
        pieces = (chr(byte) if byte < 0xA0 else "\ufffd" for byte in error.object[error.start : error.end])
        return "".join(pieces), error.end
    if isinstance(error, UnicodeEncodeError):
        codes = [ord(character) for character in error.object[error.start : error.end]]
        return bytes(code if 0x80 <= code < 0xA0 else 0x3F for code in codes), error.end
    raise error


codecs.register_error("clean-corpus-c1", _c1)
