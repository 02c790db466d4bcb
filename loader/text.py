"""Control characters made visible: no file or answer writes to a terminal, or a line of its own to a log."""

import json


def visible(text: str) -> str:
    """Return the text with everything that does not print (ESC, line breaks, marks that turn text around) escaped."""
    return text if text.isprintable() else "".join(map(_shown, text))


def visible_json(line: str) -> str:
    """Return a line of JSON that says the same with JSON's own escapes."""
    return line if line.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)


def _shown(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape", "surrogatepass").decode()
