"""Addresses (URLs) of inputs and copies: which parts may be shown, and which addresses are refused at once."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from loader.errors import UsageError
from loader.text import visible

HIDDEN = "***"

_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE | re.ASCII)
_SHEET = re.compile(
    r"https://docs\.google\.com/spreadsheets/(?:u/\d+/)?d/(e/)?([\w-]+)(/export|/pub$|/gviz)?", re.ASCII
)
_HARMLESS = frozenset({"format", "gid", "output", "range", "sheet", "single"})
"""Query parameters that select a table, and may be shown. Any other may hold a token or a signature."""
_SHORT = re.compile(r"[\w.!:-]{0,40}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An address that may be opened. `name` is shown to people, without possible secrets in its query.

    `file_name` has the folders and the name of the file there, without scheme and query.
    """

    url: str
    scheme: str
    name: str
    file_name: str

    @property
    def is_web(self) -> bool:
        """True for an address that is read by one GET, and has no folders to list."""
        return self.scheme in ("http", "https")

    @property
    def is_pattern(self) -> bool:
        """True if the address is a pattern for several files; a `?` begins a query, and is not a wildcard."""
        return not self.is_web and any(sign in self.url for sign in "*[")


def is_address(text: str) -> bool:
    """Return True if a word is an address, not a path of this machine."""
    return _ADDRESS.match(text) is not None


def address(text: str) -> Address:
    """Return a checked address; UsageError, without its secrets, if it may not be opened."""
    scheme, _, rest = text.partition("://")
    scheme = scheme.lower()
    name = without_secrets(text)
    place, _, query = rest.partition("?")
    authority = re.split(r"[/#\\]", place, maxsplit=1)[0]
    _refuse_password(scheme, unquote(authority))
    shown = visible(name)
    if "::" in re.sub(r"\[[^\]]*\]", "", text):  # In brackets it is an IPv6 address.
        raise UsageError(f"{shown.partition('::')[0]}: is a chain of addresses (::), which is not opened; give one.")
    if HIDDEN in query:
        raise UsageError(f"{shown}: the text at {HIDDEN} was left out because it may be secret; put it back.")
    if found := _SHEET.match(text):
        _refuse_page_of_sheet(found, text, shown)
    file_name = place.rstrip("/")
    if scheme in ("http", "https"):
        quoted = place.partition("#")[0].rstrip("/")
        file_name = unquote(quoted) if unquote(quoted).isprintable() else quoted
    return Address(url=text, scheme=scheme, name=name, file_name=file_name)


def _refuse_password(scheme: str, authority: str) -> None:
    """Refuse `user:password@host`; a user alone is allowed if it is not a secret, as in `sftp://ada@host`."""
    user, at, host = authority.rpartition("@")
    # A password with a "/" in it looks like a port. (Colons are allowed in the brackets of IPv6, and in an ARN.)
    port = host.rpartition(":")[2] if ":" in host and not host.endswith("]") and not host.startswith("arn:") else ""
    if (at and (":" in user or scheme in ("http", "https"))) or not (port.isdigit() or not port):
        raise UsageError(
            f"a {scheme}:// address contains a user and a password, or a port that is not a number: leave the password "
            "out, and give it as that kind of server has it (environment, its own files)."
        )


def _refuse_page_of_sheet(found: re.Match[str], text: str, shown: str) -> None:
    """Refuse the editing page of a Google Sheet, and give the address of its table."""
    published, key, export = found.groups()
    if export:
        return
    gid = re.search(r"[?&#]gid=(\d+)", text, re.ASCII)
    sheet = f"&gid={gid[1]}" if gid else ""
    kind = f"d/e/{key}/pub?output=csv" if published else f"d/{key}/export?format=csv"
    raise UsageError(
        f"{shown}: is the page of a Google Sheet, not its table; share it with anyone who has the link, and give "
        f"https://docs.google.com/spreadsheets/{kind}{sheet}"
    )


def without_secrets(word: str) -> str:
    """Return a word of a command without secrets: an address keeps only harmless parts of its query.

    >>> without_secrets("https://a.example/x.csv?X-Amz-Signature=c0ffee&format=csv")
    'https://a.example/x.csv?format=csv&***'
    >>> without_secrets("--ids=abfs://lists@account/x.csv?sig=c0ffee")
    '--ids=abfs://lists@account/x.csv?***'
    """
    found = _ADDRESS.search(word)
    if found is None:
        return word
    place, asked, query = word.partition("?")
    if found[1].lower() in ("http", "https"):
        place = place.partition("#")[0]
        query = query.partition("#")[0]
    if not asked or not query:
        return place
    parts = query.split("&")
    kept = [part for part in parts if _is_harmless(part)]
    return f"{place}?{'&'.join([*kept, *([HIDDEN] if len(kept) < len(parts) else [])])}"


def _is_harmless(part: str) -> bool:
    name, _, value = part.partition("=")
    return name in _HARMLESS and _SHORT.fullmatch(value) is not None


def secrets_in(word: str) -> list[str]:
    """Return the texts in an address that must never be written, both quoted and unquoted."""
    if _ADDRESS.search(word) is None:
        return []
    hidden = [part for part in re.split(r"[?&#]", word)[1:] if part and not _is_harmless(part)]
    values = {text for part in hidden for text in (part, part.partition("=")[2])}
    values |= {value for _, value in parse_qsl("&".join(hidden))}
    return sorted(filter(None, values), key=len, reverse=True)
