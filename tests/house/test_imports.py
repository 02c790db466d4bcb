"""The house keeps its shape: imports run downhill, and each foreign library has the one room that knows it."""

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from tests.house.sources import texts, trees

WORDS = {
    "columns",
    "complain",
    "errors",
    "events",
    "file_systems",
    "files",
    "garbage",
    "model",
    "numbered_text",
    "object_type_names",
    "reasons",
    "settings",
    "shell",
    "stopping",
    "text",
    "values",
    "version",
}
"""What all stages share; these know only each other."""

FLOORS = {
    **dict.fromkeys(WORDS, 0),
    **dict.fromkeys(("send", "journal", "options", "fetch"), 1),
    "read": 2,  # An earlier run's journal says which files of a folder that run wrote.
    **dict.fromkeys(("record", "configure"), 2),
    "planning": 3,  # It asks the portal, and puts the rows that were read into the journal.
    "show": 3,
    "run": 4,
    **dict.fromkeys(("bug", "event_loop", "listeners"), 5),
    "fleets": 6,
    # The two doors, Python and the command line, know nothing of each other.
    **dict.fromkeys(("api", "terminal"), 7),
    "cli": 8,
    **dict.fromkeys(("__main__", "association_loader"), 9),
}
"""Each module or folder of the house by its floor: it may import from lower floors and from its own room."""


ROOMS = {
    "sqlite3": {"loader.journal"},
    "aiohttp": {"loader.send.transport", "loader.sandbox", "loader.fetch.objects"},
    "fsspec": {"loader.fetch"},
    "sqlalchemy": {"loader.fetch.query"},
    "psycopg": {"loader.fetch.query"},
    "aiolimiter": {"loader.send.limiter"},
    "charset_normalizer": {"loader.read.text"},
    "click": {"loader.cli"},
    "dask": {"loader.fleets.engine"},
    "distributed": {"loader.fleets.engine"},
    "python_calamine": {"loader.read.xlsx"},
    "xlrd": {"loader.read.xls"},
    "jinja2": {"loader.show.report.page"},
}
"""The foreign libraries that one room each knows, and nobody else."""


@cache
def modules() -> dict[str, ast.Module]:
    """Return every module of the loader by its name."""
    return {
        ".".join(("loader", *path.removesuffix(".py").split("/"))).removesuffix(".__init__"): tree
        for path, tree in trees().items()
    }


def imported(module: ast.Module) -> Iterator[str]:
    """Yield the names of everything that a module imports, wherever in it."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written in full"
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in modules() else str(node.module) for name in inner)


def room(name: str) -> str:
    """Return the part of the house that a module of the loader belongs to."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else "loader"


@cache
def imports() -> list[tuple[str, str]]:
    """Return every import of the loader as (module, what it imports)."""
    return [(name, other) for name, module in modules().items() for other in imported(module)]


def own_imports() -> list[tuple[str, str]]:
    """Return those of the loader's own modules in rooms that have a floor."""
    return [
        (name, other)
        for name, other in imports()
        if other.split(".")[0] == "loader" and room(name) not in ("loader", "sandbox")
    ]


def test_every_room_has_a_floor() -> None:
    """A new module or folder at the top of the loader says where it belongs."""
    rooms = {room(name) for name in modules()} - {"loader", "sandbox"}
    assert rooms == set(FLOORS)


def test_imports_run_downhill() -> None:
    """Words know nothing, stages know words but not each other, verbs know stages, the command line knows verbs."""
    uphill = [
        f"{name} imports {other}"
        for name, other in own_imports()
        if room(name) != room(other)
        and room(other) not in ("loader", "sandbox")
        and FLOORS[room(other)] >= FLOORS[room(name)]
        and not {room(name), room(other)} <= WORDS
    ]
    assert uphill == []


def test_the_sandbox_shares_no_code_with_the_client() -> None:
    """Two readings of HubSpot's API: a wrong belief cannot pass on both sides."""
    sandbox = [(name, other) for name, other in imports() if room(name) == "sandbox"]
    assert sandbox
    shared = [
        f"{name} imports {other}"
        for name, other in sandbox
        if other.split(".")[0] == "loader" and not other.startswith("loader.sandbox")
    ]
    assert shared == []
    assert {name for name, other in own_imports() if other.startswith("loader.sandbox")} <= {"loader.run.sandbox"}


def test_only_the_journal_asks_its_tables() -> None:
    """The tables can change without a look at anything else; `fetch` asks the databases of others."""
    elsewhere = [name for name in texts() if name.split("/")[0] not in ("journal", "sandbox", "fetch")]
    asking = {
        name
        for name in elsewhere
        if re.search(r"\.(query|execute)", texts()[name])  # It takes long to look at every node.
        for node in ast.walk(trees()[name])
        if isinstance(node, ast.Attribute) and node.attr in ("query", "execute", "executemany")
    }
    assert asking == set()


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("library", sorted(ROOMS))
def test_a_foreign_library_has_one_room(library: str) -> None:
    """Who wants to change it looks in one place."""
    users = {name for name, other in imports() if other.split(".")[0] == library}
    assert users
    strangers = {
        name for name in users if not any(name == home or name.startswith(f"{home}.") for home in ROOMS[library])
    }
    assert strangers == set()
