"""What was asked: the command, the inputs, the kinds of associations."""

from collections.abc import Callable

from loader.show.report.figures import Figures
from loader.show.report.forms import command, facts, table
from loader.show.report.markup import Markup, element

_EXISTING = {"merge": "kept", "replace": "replaced by those of the file"}


def asked(found: Figures, shown: Callable[[str], str]) -> Markup:
    """Return the section; `shown` gives the names of object types for people."""
    return element(
        "section",
        element("h2", "What was asked"),
        command(found.facts.get("command") or ""),
        table(("Input", "Records", "SHA-256"), [
            (each["path"], f"{each['rows']:,}", element("code", str(each["sha256"])[:16], "…")) for each in found.inputs
        ]),
        table(("Rows", "From", "To", "Association type", "Label"), [
            (f"{each.rows:,}", shown(each.object_type), shown(each.to_object_type),
             f"{each.category} {each.type_id}", each.label or element("span", "no label", class_="quiet"))
            for each in found.asked
        ]),
        _settings(found),
    )  # fmt: skip


def _settings(found: Figures) -> Markup:
    identity = found.facts.get("identity") or {}
    without = sum(each["without"] for each in found.inputs)
    known = {
        "Pairs of records": f"{found.pairs:,}",
        "Blank cells that ask for nothing": f"{without:,}" if without else "",
        "Labels that were there": _EXISTING.get(str(identity.get("existing")), "")
        + (", unread" if identity.get("unread") else ""),
        "API": f"{identity.get('api_version', '')} at {identity.get('base_url', '')}" if identity else "",
    }
    return facts(known)
