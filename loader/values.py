"""Values of Python, numpy, Arrow and databases as the texts of cells, all by the same rules."""

import json
from collections.abc import Iterable
from typing import Any, cast

LOST = "\u2248"
"""Written before a number whose last digits may have changed: `≈18259732480` is never an id."""

DOUBLE_BITS = 53


def text_of(value: object, bits: int = DOUBLE_BITS) -> str | None:
    """Return a value as a cell's text; None, or a blank text, for a blank.

    `bits` are those of the significand of a float that the value is, or holds, where its own type does not say.
    """
    if isinstance(value, str):
        return str(value)
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(value, float):  # numpy's float64 is one, too
        return float_text(float(value), bits) or None
    if isinstance(value, bytes | bytearray | memoryview):
        # Bytes may be anything, such as a hash: they need not be damaged text.
        return bytes(value).decode("utf-8", "replace").replace("\0", "\ufffd")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple) or getattr(value, "ndim", 0) == 1:  # arrays and series have dimensions
        return joined(text_of(part, bits) or "" for part in cast("Iterable[object]", value))
    if hasattr(value, "dtype"):
        return _numpy_text(value)
    if hasattr(value, "as_py"):  # a scalar of Arrow's
        return text_of(value.as_py(), significand_bits(cast("Any", value).type))
    return str(value)


def _numpy_text(value: Any) -> str | None:
    """Return a numpy scalar as text; a float may be narrower than Python's."""
    import numpy as np  # noqa: PLC0415 - it is imported already, or there would be no such value

    if value.dtype.kind == "f":
        return float_text(float(value), min(np.finfo(value.dtype).nmant + 1, DOUBLE_BITS)) or None
    # Kind V is for types of other packages, such as bfloat16: it is not known how many digits they hold.
    return f"{LOST}{value}" if value.dtype.kind == "V" else str(value)


def significand_bits(kind: Any) -> int:
    """Return how many bits hold the digits of the floats of an Arrow type, or of those in its lists."""
    import pyarrow as pa  # noqa: PLC0415 - it is imported already, or there would be no such type

    if isinstance(kind, pa.BaseExtensionType):
        return significand_bits(kind.storage_type)
    if not (pa.types.is_struct(kind) or pa.types.is_map(kind)) and hasattr(kind, "value_type"):
        return significand_bits(kind.value_type)
    if pa.types.is_float16(kind):
        return 11
    return 24 if pa.types.is_float32(kind) else DOUBLE_BITS


def float_text(value: float, bits: int = DOUBLE_BITS) -> str:
    """Return a float as a cell's text, blank for NaN (which is what pandas writes for a blank).

    A significand of `bits` bits holds every whole number below 2 to the power of `bits` (IEEE 754: 11 bits in half
    precision, 24 in single, 53 in double). From there on several whole numbers become one and the same float.

    >>> float_text(101.0), float_text(1.5), float_text(16777216.0), float_text(16777216.0, bits=24)
    ('101', '1.5', '16777216', '≈16777216')
    """
    if value != value:  # noqa: PLR0124 - true of NaN alone
        return ""
    if abs(value) >= 2**bits:
        return f"{LOST}{value:.17g}"
    return str(int(value)) if value.is_integer() else repr(value)


def joined(texts: Iterable[str]) -> str:
    """Return texts as one cell that `read.cells.split` and the reader of ids can split again.

    >>> joined(["A", "B"]), joined(["A;B", "C"])
    ('A;B', '["A;B", "C"]')
    """
    texts = list(texts)
    return json.dumps(texts, ensure_ascii=False) if any(";" in text for text in texts) else ";".join(texts)
