"""No small file fills the memory, however much it would unpack to (items 13 and 14 of the security list)."""

import json
import os
import sys
from pathlib import Path

import loader
from tests.security.bombs import BOMBS, MEGABYTE
from tests.slow.command import run

MOST_MEGABYTES = 700
TYPES = ("--from", "contacts", "--to", "companies", "--quiet")

PLAN = f"""
import json, sys
from loader.cli import run
from tests.memory import peak_megabytes
codes = {{name: run(["plan", name, *{TYPES!r}]) for name in sys.argv[1:]}}
print(json.dumps([codes, peak_megabytes()]))
"""


def test_no_small_file_fills_the_memory(tmp_path: Path) -> None:
    """Each is refused in one line, or has its rows rejected; the process that read them all stayed small."""
    for name, make in BOMBS.items():
        (tmp_path / name).write_bytes(make())
    assert max(path.stat().st_size for path in tmp_path.iterdir()) < 3 * MEGABYTE
    environment = {**os.environ, "PYTHONPATH": str(Path(loader.__file__).parents[1])}
    done = run(sys.executable, "-c", PLAN, *BOMBS, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    codes, megabytes = json.loads(done.stdout.splitlines()[-1])
    print(f"{len(BOMBS)} bombs: {megabytes:.0f} MB at most; {codes}")
    assert megabytes < MOST_MEGABYTES
    # A million empty texts are no more than a quarter of a gigabyte, and a number of a million digits is one bad cell.
    assert {name: code for name, code in codes.items() if code != 2} == {"strings.xlsx": 0, "number.jsonl": 1}
    assert len(done.stderr.splitlines()) == sum(code == 2 for code in codes.values())
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(BOMBS)
