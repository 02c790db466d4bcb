"""Text files: which encoding a file is in, and its lines in that encoding."""

import codecs
import io
import re
from typing import NamedTuple

from loader.errors import InputError, UsageError
from loader.read.cells import show
from loader.read.faults import reading
from loader.read.packed import BLOCK, Packed
from loader.text import visible

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LONGEST_LINE = 16 << 20
_ESCAPED_BYTE = re.compile("[\udc80-\udcff]")
_JSON_DOCUMENT = re.compile(r"\{[ \t]*[\r\n]")
_NOT_ASCII = re.compile("[^\0-\x7f]")


class Text(NamedTuple):
    """How a text file is decoded. `nul`: NUL characters were seen; `notes` are sentences for the user.

    `byte_order_mark` says whether the file begins with one; `hint` names another encoding that it may be in.
    """

    packed: Packed
    encoding: str
    errors: str
    nul: bool
    notes: tuple[str, ...]
    byte_order_mark: bool = False
    hint: str = ""

    def open(self) -> io.TextIOWrapper:
        """Open the file for one reading; line ends stay as they are."""
        return io.TextIOWrapper(self.packed.open(), encoding=self.encoding, errors=self.errors, newline="")


class _Survey(NamedTuple):
    good: int
    bad: int
    first_bad_line: int
    nul: bool


def examine(packed: Packed, encoding: str | None) -> Text:
    """Read the whole file once to find its encoding, so that no byte fails to decode in the middle of a run."""
    with reading(packed.name):
        with packed.open() as stream:
            head = stream.read(4096)
        if not head:
            raise InputError(f"{packed.name}: is empty; there is nothing to load.")
        known = _checked(encoding) if encoding else _shown_by_bytes(head)
        text = _strictly(packed, known, option=encoding) if known else _utf8_or_windows(packed)
        return text._replace(byte_order_mark=head.startswith(tuple(mark for mark, _ in _BOMS)))


def _checked(encoding: str) -> str:
    try:
        io.TextIOWrapper(io.BytesIO(), encoding=encoding).close()
    except LookupError as error:
        raise UsageError(f"--encoding {encoding}: there is no such text encoding; try utf-8 or cp1252.") from error
    return encoding


def _shown_by_bytes(head: bytes) -> str | None:
    for mark, encoding in _BOMS:
        if head.startswith(mark) and encoding != "utf-8":
            return encoding
    pairs = len(head) // 2
    even, odd = head[0 : 2 * pairs : 2].count(0), head[1 : 2 * pairs : 2].count(0)
    if pairs > 1 and odd > 0.4 * pairs and even < 0.1 * pairs:
        return "utf-16-le"
    if pairs > 1 and even > 0.4 * pairs and odd < 0.1 * pairs:
        return "utf-16-be"
    return None


def _strictly(packed: Packed, encoding: str, *, option: str | None) -> Text:
    try:
        survey = _survey(packed, encoding, "strict")
    except UnicodeError as error:
        way = "leave --encoding out, or name another" if option else "save it as UTF-8"
        raise InputError(f"{packed.name}: is not {encoding} throughout ({visible(str(error))}); {way}.") from error
    return Text(packed, encoding, "strict", survey.nul, ())


def _utf8_or_windows(packed: Packed) -> Text:
    try:
        survey = _survey(packed, "utf-8", "strict")
    except UnicodeError:
        survey = _survey(packed, "utf-8", "surrogateescape")
    if not survey.bad:
        return Text(packed, "utf-8", "strict", survey.nul, ())
    line = f"the first in line {survey.first_bad_line:,}"
    if survey.good > survey.bad:
        note = f"Bytes that are not UTF-8: {survey.bad:,} ({line}); each is read as \ufffd."
        return Text(packed, "utf-8", "replace", survey.nul, (note,))
    hint = likely_encoding(packed)
    note = f"Bytes that are not UTF-8: {survey.bad:,} ({line}); the file is read as Windows text (cp1252)."
    return Text(packed, "cp1252", "replace", survey.nul, (f"{note} {hint}".strip(),), hint=hint)


def _survey(packed: Packed, encoding: str, errors: str) -> _Survey:
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    good = bad = first_bad_line = line = unbroken = 0
    nul = False
    with packed.open() as stream:
        while True:
            block = stream.read(BLOCK)
            text = decoder.decode(block, final=not block)
            if not block and not text:
                break
            if errors == "surrogateescape":
                bad_here = len(_ESCAPED_BYTE.findall(text))
                if bad_here and not bad:
                    first = _ESCAPED_BYTE.search(text)
                    first_bad_line = line + 1 + text.count("\n", 0, first.start() if first else 0)
                bad += bad_here
                good += len(_NOT_ASCII.findall(text)) - bad_here
                line += text.count("\n")
            nul = nul or "\0" in text
            unbroken = 0 if "\n" in text or "\r" in text else unbroken + len(text)
            if unbroken > _LONGEST_LINE:
                raise InputError(f"{packed.name}: has a line of more than 16 million characters; it is not a table.")
    return _Survey(good, bad, first_bad_line, nul)


def refuse_other_text(name: str, start: str) -> None:
    """Raise InputError for texts that are not tables: web pages, XML, JSON in one piece."""
    begins = start.lstrip("\ufeff \t\r\n")[:200].lower()
    if begins.startswith(("<!doctype", "<html", "<table", "<?xml", "<head", "<meta")):
        raise InputError(f"{name}: is a web page or XML, whatever its name says; save it as .xlsx or CSV.")
    if begins.startswith("["):
        raise InputError(
            f"{name}: begins with {show(begins[:1])}: a JSON list in one piece; write one object a line (JSONL)."
        )
    if _JSON_DOCUMENT.match(begins):
        raise InputError(f"{name}: is JSON in one piece; write one object a line (JSONL).")
    if begins.startswith("%pdf"):
        raise InputError(f"{name}: is a PDF; save the table as .xlsx or CSV.")


# --- which other encoding a text may be in that is read as Windows text: a hint for people, on which nothing is acted

_SAMPLE = 1 << 15
_LONGEST = 1 << 12

_ALPHABETS = {
    "cp932": ("Japanese (Shift-JIS)", "cp932"),
    "shift_jis": ("Japanese (Shift-JIS)", "cp932"),
    "shift_jis_2004": ("Japanese (Shift-JIS)", "cp932"),
    "euc_jp": ("Japanese (EUC)", "euc_jp"),
    "euc_jis_2004": ("Japanese (EUC)", "euc_jp"),
    "gb2312": ("Chinese", "gb18030"),
    "gbk": ("Chinese", "gb18030"),
    "gb18030": ("Chinese", "gb18030"),
    "big5": ("Chinese (Big5)", "big5"),
    "big5hkscs": ("Chinese (Big5)", "big5"),
    "cp949": ("Korean", "cp949"),
    "euc_kr": ("Korean", "cp949"),
    "johab": ("Korean", "johab"),
    "cp1251": ("Cyrillic", "cp1251"),
    "koi8_r": ("Cyrillic (KOI8)", "koi8_r"),
    "mac_cyrillic": ("Cyrillic (Macintosh)", "mac_cyrillic"),
    "cp1253": ("Greek", "cp1253"),
    "iso8859_7": ("Greek", "iso8859_7"),
    "cp1256": ("Arabic", "cp1256"),
    "cp874": ("Thai", "cp874"),
}
"""Encodings that charset-normalizer may find, with their usual names, which --encoding takes.

Encodings of Latin letters are left out: it often confuses them, and Windows text is the likeliest.
"""


def likely_encoding(packed: Packed) -> str:
    """Return a sentence about the likely encoding of a file, blank if Windows text is as likely."""
    from charset_normalizer import from_bytes  # noqa: PLC0415 - a quarter of a second, for such files only

    sample = b""
    with packed.open() as stream:
        while len(sample) < _SAMPLE and (line := stream.readline(_LONGEST)):
            sample += line if not line.isascii() else b""
    best = from_bytes(sample).best()
    alphabet, option = _ALPHABETS.get(best.encoding if best else "", ("", ""))
    return f"Its letters may be {alphabet}: if so, add --encoding {option}." if alphabet else ""
