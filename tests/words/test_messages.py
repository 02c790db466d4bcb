"""Every sentence that a person may read, collected from the source: plain words, right plurals, whole sentences.

`python tests/words/test_messages.py` prints them all, to be read aloud.
"""

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.house.sources import trees

NO_MESSAGES = frozenset({"sandbox", "journal/schema.py", "journal/lines.py", "read/totals.py"})
"""Files whose texts are HubSpot's own words, statements of SQL, or words that files hold."""

STATEMENT = re.compile(
    r"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|BEGIN|PRAGMA|WITH|EXISTS|FROM|WHERE|AND|ORDER)\b|\(SELECT"
)

UNPLAIN = {
    r"\bmend(s|ed)?\b": "correct a row; fix a disk",
    r"\banew\b": "again; start over",
    r"\b(going|goes|go) on\b": "continue, resume",
    r"\bsettled?\b": "has a result",
    r"\bask(s|ed)? for (nothing|it|all)\b|\bis asked for\b": "what the file says; skipped",
    r"(?<!there )\bis no\b(?! (value|such))": "is not a",
    r"\bcannot be meant\b": "needs ..., such as ...",
    r"\bnot a valid\b|\bnot in the range\b": "needs ..., such as ...",
    r"(?<![-_<\[])\bportal\b(?!_|-id)": "HubSpot account",
    r"\bstands? (in|for)\b|\bholds good\b": "is in; could be",
    r"\bunread\b(?! and)(?<!--unread)": "not used; not read",
    r"\bso (long|many)\b": "a number",
    r"\b(told|tells?)\b(?! which)": "says, shows",
    r"\b1 (rows|pairs|records|requests|values|cells|labels)\b": "1 row",
}
"""What needs two readings, by what is plain. Whoever finds another one adds it here."""

COUNTED = re.compile(r" (more )?(rows|pairs|records|requests|values|cells|labels|columns|files|ids|associations)\b")


class Message(NamedTuple):
    """A text of the source with a blank in it; what is filled in is a `{}`. `numbers` are the texts behind numbers."""

    path: str
    line: int
    text: str
    numbers: tuple[str, ...]


def _texts(node: ast.AST) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """Yield the texts of a tree, those of f-strings whole; docstrings and the parts of an f-string are left out."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            yield node.lineno, node.value, ()
        return
    if isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
        numbers = tuple(
            str(after.value)
            for before, after in zip(node.values, node.values[1:], strict=False)
            if isinstance(after, ast.Constant) and isinstance(before, ast.FormattedValue) and _is_number(before)
        )
        yield node.lineno, "".join(map(str, parts)), numbers
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                yield from _texts(part.value)
        return
    for child in ast.iter_child_nodes(node):
        yield from _texts(child)


def _is_number(part: ast.FormattedValue) -> bool:
    """Return True for `{n:,}` and `{len(x)}`."""
    form = part.format_spec
    comma = isinstance(form, ast.JoinedStr) and any(
        isinstance(each, ast.Constant) and each.value == "," for each in form.values
    )
    call = part.value
    return comma or (isinstance(call, ast.Call) and getattr(call.func, "id", "") == "len")


def messages() -> Iterator[Message]:
    """Yield every text of the loader that may be part of a message."""
    for name, tree in trees().items():
        if {name, name.split("/")[0]} & NO_MESSAGES:
            continue
        for line, text, numbers in _texts(tree):
            if " " in text.strip() and re.search(r"[a-z]{2}", text) and not STATEMENT.match(text):
                yield Message(name, line, text, numbers)


def _unplain(message: Message) -> Iterator[str]:
    text = " ".join(re.sub(r"\x08.*?\n\n", "", message.text, flags=re.DOTALL).split())  # But for lists of marks.
    for pattern, right in UNPLAIN.items():
        if match := re.search(pattern, text, re.IGNORECASE):
            yield f"{message.path}:{message.line}: {match[0]!r} in {text!r}: write {right}"
    for after in message.numbers:
        if match := COUNTED.match(after):
            yield f"{message.path}:{message.line}: {text!r}: 1{match[0]} is wrong: write counted(...)"
    if re.search(r" [.,:!](\s|$)|(?<!\.)\.\.(?!\.)|,,| \)|\( ", text):
        yield f"{message.path}:{message.line}: {text!r}: a stray blank or mark"


@pytest.mark.parametrize(
    ("text", "numbers", "found"),
    [
        ("mend it", (), 1),
        ("{} rows", (" rows",), 1),
        ("the portal", (), 1),
        ("add --portal-id", (), 0),
        ("Nothing to do .", (), 1),
        ("Correct them here, then run:", (), 0),
    ],
)
def test_what_is_not_plain_is_found(text: str, numbers: tuple[str, ...], found: int) -> None:
    assert len(list(_unplain(Message("a.py", 1, text, numbers)))) == found


def test_every_message_is_plain() -> None:
    """Each finding says where it is and what to write."""
    found = list(messages())
    assert len(found) > 500
    assert [finding for message in found for finding in _unplain(message)] == []


if __name__ == "__main__":
    for each in messages():
        print(f"{each.path}:{each.line}: {each.text}")
