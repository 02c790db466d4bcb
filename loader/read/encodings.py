"""Which encoding a text may be in that is read as Windows text: a hint for people, on which nothing is acted."""

from loader.read.packed import Packed

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
"""What charset-normalizer may find, as people know it and as --encoding takes it.

Those of Latin letters are left out: between them it is often wrong, and Windows text is the likeliest.
"""


def likely_encoding(packed: Packed) -> str:
    """Return a sentence on the encoding that a file's bytes look like, blank where Windows text is as likely."""
    from charset_normalizer import from_bytes  # noqa: PLC0415 - a quarter of a second, for such files only

    sample = b""
    with packed.open() as stream:
        while len(sample) < _SAMPLE and (line := stream.readline(_LONGEST)):
            sample += line if not line.isascii() else b""
    best = from_bytes(sample).best()
    alphabet, option = _ALPHABETS.get(best.encoding if best else "", ("", ""))
    return f"Its letters may be {alphabet}: if so, add --encoding {option}." if alphabet else ""
