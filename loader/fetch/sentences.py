"""What went wrong with an address, in a sentence, for the errors of all libraries; without secrets."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from loader.fetch.address import HIDDEN, Address, secrets_in
from loader.text import visible

_LONGEST = 160
_QUERY = re.compile(r"(\w://[^\s?'\"]*\?)[^\s'\",)]*")
_LOGIN = re.compile(r"(\w://)[^\s/@'\"]*@")
_NETWORK = "check the address, and the network of this machine"


class CutShort(Exception):
    """Fewer bytes came than there are."""


class Changed(Exception):
    """The object was replaced while it was copied."""


class WebPage(Exception):
    """The answer is a page for people."""


class Unencrypted(Exception):
    """An https address redirects to an http one."""


class IsFolder(Exception):
    """What is to be read is a folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reason:
    """A kind of failure, by names of error classes (most libraries need not be installed) or HTTP statuses.

    `passing`: a retry may succeed. In a sentence, {done} is "read" or "written", {status} the HTTP status.
    """

    sentence: str
    names: frozenset[str] = frozenset()
    statuses: frozenset[int] = field(default_factory=frozenset)
    passing: bool = False


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# The first match counts: the cause of an error often says more than the error itself.
_REASONS = (
    _Reason(names=_names("Changed"), sentence="was changed while it was being copied; wait until it is complete, then "
        "run again."),
    _Reason(names=_names("WebPage"), sentence="answers with a web page, not with a table; open it in a browser to see "
        "what it says: it may want a login, or have another address for the file itself."),
    _Reason(names=_names("Unencrypted"), sentence="leads on to an address without encryption (http), which is not "
        "followed; give the address that it leads to, if you trust the way there."),
    _Reason(names=_names("TooManyRedirects InvalidUrlRedirectClientError NonHttpUrlRedirectClientError"),
        sentence="leads on to no web address, or round in a circle; open it in a browser, and give the address of the "
        "file itself."),
    _Reason(names=_names("IsFolder"), sentence="is a folder; to read what is in it, end the address with a /."),
    _Reason(names=_names("SSLError"), sentence="the server's certificate is not valid, or it speaks no TLS; check the "
        "address, and this machine's clock and certificates."),
    _Reason(names=_names("gaierror"), sentence=f"there is no host of this name (DNS); {_NETWORK}.", passing=True),
    _Reason(names=_names("HostKeyNotVerifiable"), sentence="the server's key is not in ~/.ssh/known_hosts; "
        "connect once with ssh and check the key, then run again."),
    _Reason(names=_names("NoCredentialsError PartialCredentialsError CredentialRetrievalError ProfileNotFound "
        "DefaultCredentialsError RefreshError ClientAuthenticationError CredentialUnavailableError"),
        sentence="no credentials were found with which it can be {done}; give them as that service's own tools have "
        "them (environment, configuration files)."),
    _Reason(statuses=frozenset({401, 403, 407}), names=_names("PermissionError PermissionDenied SFTPPermissionDenied"),
        sentence="may not be {done} with the credentials that were found{status}; check them and its permissions, or "
        "whether the link has expired."),
    _Reason(statuses=frozenset({404, 410}), names=_names("FileNotFoundError ResourceNotFoundError SFTPNoSuchFile"),
        sentence="is not there{status}; check the address."),
    _Reason(statuses=frozenset({408, 425, 429, 500, 502, 503, 504}), passing=True,
        sentence="cannot be {done}: the server does not answer as it should{status}; try again later."),
    _Reason(names=_names("Silent"), passing=True, sentence="the server is silent for longer than --timeout allows; try "
        f"again later, or {_NETWORK}."),
    _Reason(names=_names("CutShort ClientPayloadError IncompleteReadError EOFError ResponseStreamingError"),
        passing=True, sentence="ended before all of it had come; try again, and look at the server if that "
        "does not help."),
    _Reason(names=_names("ConnectionError TimeoutError FSTimeoutError ClientConnectionError ConnectionLost "
        "DisconnectError EndpointConnectionError ConnectTimeoutError HTTPClientError ServiceRequestError"),
        passing=True, sentence=f"the connection failed or was cut; {_NETWORK}."),
)  # fmt: skip


def explained(address: Address, error: BaseException, done: str) -> tuple[str, bool]:
    """Return what is wrong, where and how to correct it, and whether a retry may succeed.

    `done` is "read" or "written".
    """
    chain = list(_chain(error))
    names = {kind.__name__ for each in chain for kind in type(each).__mro__}
    status = next((found for each in chain if isinstance(found := getattr(each, "status", None), int)), None)
    for reason in _REASONS:
        if names & reason.names or status in reason.statuses:
            by = f" ({status})" if status is not None else ""
            return f"{visible(address.name)}: {reason.sentence.format(done=done, status=by)}", reason.passing
    return f"{visible(address.name)}: cannot be {done} ({_scrubbed(address, error)}); check the address.", False


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and its causes."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _scrubbed(address: Address, error: BaseException) -> str:
    """Return a library's message without the query and the user of any address in it."""
    text = " ".join(str(error).split()).replace(address.url, address.name)
    for secret in secrets_in(address.url):
        text = text.replace(secret, HIDDEN)
    text = _QUERY.sub(rf"\1{HIDDEN}", _LOGIN.sub(rf"\1{HIDDEN}@", text))
    return visible(f"{type(error).__name__}: {text}"[:_LONGEST])
