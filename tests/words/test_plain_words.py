"""Plain English: the private words that were once in names, comments and docstrings do not come back.

A word that is cleared from the loader is added here, with the right word beside it.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator

import pytest

from tests.house.sources import texts, trees

SENTENCES = {
    "tell whether": "return whether",
    "so many": "a number of; the number's name in backticks",
    "fared": "had the same result",
    "culprits?": "the wrong record",
    "sound (?:rows?|kinds?|records?)": "not rejected",
    "settles?|settling": "resolve a name; assign a column; record an outcome",
    "unsettled": "unresolved",
    "stand where|as (?:they|it) stands?|lies (?:there|beside)": "is there; as it was read; the status",
    "stood in the way": "failed; the error",
    "told": "reported, shown, asked",
    "roads?": "the usual way; like any other",
    "whoever|(?:some|no)body(?: else)?(?:'s)?": "the caller, the user, another app; not known",
    "let go of": "close",
    "cannot be meant": "is wrong; the option cannot have it",
    "and their kin": "and the like",
    "carry no ink": "invisible",
    "what (?:it|a person|the user) calls itself": "its name; its storage type",
    "(?:held|hold|holds) (?:it )?against": "compared with",
    "as people (?:say|see|read|know)(?: it| them)?": "in words, for people",
    "anew": "again, from the beginning",
    "be (?:it|they)": "also; even if",
    "(?:go|goes|gone) on with": "continue",
}
"""Patterns of private words in comments and docstrings, by the plain words."""

ANY = re.compile(rf"\b(?:{'|'.join(SENTENCES)})\b", re.IGNORECASE)

NAMES = {
    "Alike": "SharedCells",
    "Asked": "RowKind",
    "FARED": "RESULT",
    "Said": "ResultCells, Problem",
    "Settled": "Resolved",
    "Settlement": "Resolution",
    "Tell": "Notify",
    "Unsettled": "Problem",
    "alike": "same, shared",
    "against": "backward",
    "crew": "tasks, worker_count",
    "fared": "result",
    "settled": "outcomes, last_outcome, sent",
    "said": "the messages, ids or meanings themselves",
    "says": "meaning",
    "under_way": "in_flight",
    "families": "type_pairs",
    "family": "type_pair",
    "flipped": "backward",
    "settle": "resolve, assign or record",
    "standing": "progress, states",
    "swapped": "backward",
    "tell": "notify",
    "told": "stated, noted or warned",
}
"""Private words that are names or parts of names between underscores, by the plain names."""


NAME = re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(NAMES)})(?![A-Za-z0-9])")


def _names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield every name that a module binds or uses."""
    for node in ast.walk(tree):
        for field in node._fields:
            if field in {"id", "attr", "arg", "name", "asname", "module"} and isinstance(
                name := getattr(node, field), str
            ):
                yield getattr(node, "lineno", 0), name


def _sentences(source: str, tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield every comment and docstring, those of attributes too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def _found(source: str, tree: ast.AST) -> Iterator[tuple[int, str, str]]:
    """Yield each private word of a source: its line, the word and the right word. What has none is not taken apart."""
    if NAME.search(source):
        for line, name in _names(tree):
            for part in {name, *re.split(r"[._]", name)} & NAMES.keys():
                yield line, part, NAMES[part]
    if ANY.search(" ".join(source.replace("#", "").split())):
        for line, sentence in _sentences(source, tree):
            text = " ".join(sentence.split())
            for pattern, right in SENTENCES.items() if ANY.search(text) else ():
                for match in re.finditer(rf"\b(?:{pattern})\b", text, re.IGNORECASE):
                    yield line, match[0], right


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ("def tell_all() -> None: ...", "tell"),
        ("x = 1  # So many rows.", "So many"),
        ('"""Tell\n    whether."""', "Tell whether"),
        ('x = 1\n"""Those that fared alike."""', "fared"),
    ],
)
def test_a_private_word_is_found(source: str, word: str) -> None:
    """In a name, a comment, a docstring over two lines, and one of an attribute."""
    assert [found for _, found, _ in _found(source, ast.parse(source))] == [word]


def test_texts_that_users_see_are_left_alone() -> None:
    """Those are compared with what earlier versions said."""
    source = 'x = "so many"'
    assert not list(_found(source, ast.parse(source)))


def test_the_loader_is_written_in_plain_words() -> None:
    """Each finding says the file, the line, the word and the right word."""
    assert [
        f"loader/{name}:{line}: {word!r}: write {right}"
        for name, tree in trees().items()
        for line, word, right in _found(texts()[name], tree)
    ] == []
