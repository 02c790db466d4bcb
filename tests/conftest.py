"""What holds for every test: nothing outside its own temporary folder is touched."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def cache_folder() -> Iterator[Path]:
    """The cache folder of all tests of this process and of the commands that they start; never the user's own."""
    before = os.environ.get("XDG_CACHE_HOME")
    with tempfile.TemporaryDirectory(prefix="association-loader-cache-") as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        yield Path(folder)
    if before is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = before


@pytest.fixture(scope="session", autouse=True)
def each_key_is_derived_once() -> Iterator[None]:
    """Every command derives a file's name from the token, slowly on purpose; the tests' tokens are always the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hashlib, "pbkdf2_hmac", cache(hashlib.pbkdf2_hmac))
        yield
