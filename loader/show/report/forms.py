"""The forms that the report's sections share: a command, a table, a list of facts, a moment."""

import re
from collections.abc import Mapping, Sequence

from loader.show.report.markup import Content, Markup, element, joined


def command(words: str) -> Markup:
    """Return a command that breaks between its words only, unless one is wider than the page."""
    spaced = (joined(element("span", word), " ") for word in words.split(" "))
    return element("pre", element("code", *spaced)) if words else Markup("")


_CODE = re.compile(r"`([^`]+)`|(--[a-z-]+)", re.ASCII)


def sentence(words: str) -> Markup:
    """Return a sentence of ours in which commands and options are set as such."""
    pieces: list[Content] = []
    at = 0
    for found in _CODE.finditer(words):
        pieces += [words[at : found.start()], element("code", found[1] or found[2])]
        at = found.end()
    return joined(*pieces, words[at:])


def table(head: Sequence[str], rows: Sequence[Sequence[Content]]) -> Markup:
    """Return a table that becomes a list of cards on a narrow screen: each cell knows the name of its column."""
    if not rows:
        return Markup("")
    lines = (
        element("tr", *(element("td", cell, data_name=name) for name, cell in zip(head, row, strict=True)))
        for row in rows
    )
    return element(
        "table",
        element("thead", element("tr", *(element("th", name, scope="col") for name in head))),
        element("tbody", *lines),
    )


def facts(known: Mapping[str, str]) -> Markup:
    """Return facts by their names; those that are blank are left out."""
    said = (element("div", element("dt", name), element("dd", fact)) for name, fact in known.items() if fact)
    return element("dl", joined(*said), class_="facts")


def moment(text: str | None) -> str:
    """Return a moment (ISO 8601, UTC) as people read it; blank for None."""
    return f"{text[:10]} {text[11:19]} UTC" if text else ""
