"""HTML as values: text becomes part of a page only through `element`, which escapes it."""

from html import escape

from loader.text import visible

VOID = frozenset({"br", "meta"})
"""Elements that have no content and no end."""


class Markup(str):
    """Text that is HTML already; only this module and a style sheet of ours make it."""

    __slots__ = ()


Content = str | int | float | None


def element(name: str, /, *content: Content, **attributes: Content) -> Markup:
    """Return `<name attributes>content</name>`; text is escaped, and its control characters are made visible.

    An attribute of None is left out; `_` in an attribute's name stands for `-`, one at its end for nothing (`class_`).
    """
    given = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items() if value is not None}
    named = "".join(f' {key}="{text(value)}"' for key, value in given.items())
    return Markup(f"<{name}{named}>") if name in VOID else Markup(f"<{name}{named}>{joined(*content)}</{name}>")


def joined(*content: Content) -> Markup:
    """Return pieces of content one after the other."""
    return Markup("".join(map(text, content)))


def text(content: Content) -> Markup:
    """Return content as HTML; nothing for None."""
    if isinstance(content, Markup):
        return content
    return Markup("" if content is None else escape(visible(str(content))))
