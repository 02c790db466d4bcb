"""Exceptions of other libraries become an `InputError` with a sentence, only here."""

import contextlib
import csv
import struct
import zipfile
import zlib
from collections.abc import Iterator
from xml.parsers import expat

from loader.errors import InputError, LoaderError
from loader.read.cells import show

# Recognised by name, because importing these libraries takes half a second, which a CSV file does not need.
_FOREIGN_PACKAGES = ("pyarrow", "python_calamine", "_python_calamine", "pyo3_runtime", "xlrd", "_lzma")
_LIBRARIES = (*_FOREIGN_PACKAGES, "zipfile", "gzip", "codecs", "encodings")
_FOREIGN = (
    OSError,
    EOFError,
    UnicodeError,
    csv.Error,
    zlib.error,
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    NotImplementedError,
    struct.error,
    expat.ExpatError,
    MemoryError,
    RecursionError,
)


@contextlib.contextmanager
def reading(name: str) -> Iterator[None]:
    """Translate every error of a file or of a library that reads it into an `InputError` that names the file.

    Python's own mistakes (a KeyError, a TypeError of ours) pass through: they are bugs, not damaged files.
    """
    try:
        yield
    except LoaderError:
        raise
    except BaseException as error:
        sentence = _sentence(error)
        if sentence is None:
            raise
        raise InputError(f"{name}: {sentence}") from error


def _sentence(error: BaseException) -> str | None:
    if isinstance(error, FileNotFoundError):
        return "there is no such file; check its name and the folder that you are in."
    if isinstance(error, PermissionError):
        return "cannot be read by this user; change its permissions, or copy it."
    if isinstance(error, OSError) and error.errno is not None:
        return f"cannot be read ({error.strerror}); check the name and the disk, then try again."
    if _package(error) == "xlrd" and "encrypted" in str(error):
        return "is protected by a password; save a copy without one."
    if isinstance(error, MemoryError):
        return "needs more memory than there is; split it, or save it as CSV."
    if isinstance(error, _FOREIGN) or _package(error) in _FOREIGN_PACKAGES or _is_raised_in_library(error):
        text = " ".join(str(error).split()) or type(error).__name__
        return f"cannot be read; it is damaged or cut short ({show(text, limit=120)[1:-1]}); export it again."
    return None


def _is_raised_in_library(error: BaseException) -> bool:
    """Return whether a library's own code failed on the file: zipfile's IndexError at a member without a name."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    module = "" if trace is None else str(trace.tb_frame.f_globals.get("__name__", ""))
    return isinstance(error, Exception) and module.partition(".")[0] in _LIBRARIES


def _package(error: BaseException) -> str:
    return type(error).__module__.partition(".")[0]
