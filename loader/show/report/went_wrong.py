"""What went wrong, reason by reason, with what to do about it and the first rows that it happened to."""

from loader.journal import Line
from loader.journal.for_report import Failure
from loader.show.report.figures import Figures
from loader.show.report.forms import sentence
from loader.show.report.markup import Markup, element


def went_wrong(found: Figures) -> Markup:
    """Return the section, or nothing where nothing went wrong."""
    if not found.failures:
        return Markup("")
    rows = found.rows["failed"] + found.rows["rejected"]
    return element(
        "section",
        element("h2", "What went wrong, and what to do"),
        element(
            "p",
            f"{rows:,} rows, by reason, each with the first of its rows; all are in the failures file.",
            class_="quiet",
        ),
        element("div", *map(_failure, found.failures), class_="reasons"),
    )


def _failure(each: Failure) -> Markup:
    answered = f"answered with {each.http_status}" if each.http_status else None
    return element(
        "article",
        element(
            "h3",
            element("span", f"{each.rows:,}", class_="count"),
            element("code", each.category),
            element("span", answered, class_="quiet"),
            element("span", "worth sending again", class_="again") if each.reason.retry else None,
        ),
        element("p", sentence(each.reason.cause), class_="quiet"),
        element("p", sentence(each.reason.mend)),
        _example(each.examples[0]),
        _others(each),
        class_=each.examples[0].status,
    )


def _example(line: Line) -> Markup:
    pair = f"{line.object_id or '(blank)'} → {line.to_object_id or '(blank)'}"
    label = f", label {line.label}" if line.label else ""
    correlation = f"correlation id {line.correlation_id}" if line.correlation_id else None
    return element(
        "div",
        element("div", f"Row {line.row} of {line.input}: ", element("code", pair), label),
        element("div", line.error_message, class_="quiet"),
        element("div", correlation, class_="quiet") if correlation else None,
        class_="example",
    )


def _others(each: Failure) -> Markup:
    """Return where the others are: the first of them by their rows."""
    first, *others = each.examples
    if not others:
        return Markup("")
    rows = ", ".join(f"{line.row}" if line.input == first.input else f"{line.row} of {line.input}" for line in others)
    more = each.rows - len(each.examples)
    also = "Also rows" if len(others) > 1 else "Also row"
    return element("p", f"{also} {rows}{f' and {more:,} more' if more > 0 else ''}.", class_="quiet")
