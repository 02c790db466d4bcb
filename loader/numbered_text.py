"""Texts that differ in a few numbers only, thousands at once: lines of the results, and the inputs of a batch."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from loader.columns import Ids

_FOUR_DIGITS = (np.arange(10_000)[:, None] // [1000, 100, 10, 1] % 10 + ord("0")).astype(np.uint8).view(np.uint32)[:, 0]
"""The text of every number below 10,000, with zeros before it: its four bytes, as one number of 32 bits."""


def numbered(forms: Sequence[Sequence[bytes]], which: Sequence[int] | Ids, numbers: Ids, *, least: int = 1) -> bytes:
    """Return the text of each row, one after another: the parts of its form, with its numbers between them.

    `which` gives each row its index into `forms`, whose parts have no NUL; `numbers` has a line for each row. Raises
    ValueError for a number below `least`.

    >>> numbered([(b"a", b","), (b"bb", b",")], [0, 1, 0], np.array([[7], [10], [8]]))
    b'a7,bb10,a8,'
    """
    if not len(numbers):
        return b""
    # The texts of all rows are a table of bytes, each part as wide as its longest: a third of the time of `%`. What
    # fills the shorter ones up is removed at the end.
    digits = [_digits(column, least) for column in numbers.T]
    sizes = [column.shape[1] for column in digits]
    widths = [max(map(len, parts)) + size for parts, size in zip(zip(*forms, strict=True), [*sizes, 0], strict=True)]
    padded = b"".join(part.ljust(width, b"\0") for form in forms for part, width in zip(form, widths, strict=True))
    table = np.frombuffer(padded, np.uint8).reshape(len(forms), -1).take(which, axis=0)
    for end, size, column in zip(np.cumsum(widths).tolist(), sizes, digits, strict=False):
        table[:, end - size : end] = column
    return table.tobytes().replace(b"\0", b"")


def _digits(numbers: Ids, lowest: int) -> npt.NDArray[np.uint8]:
    """Return each number's digits as a line of bytes, all as wide as the widest number's, with NUL before the first."""
    least, width = int(numbers.min()), len(str(numbers.max()))
    if least < lowest:
        raise ValueError(f"not a record id: {least} is below {lowest}")
    rest, fours = numbers, []
    for _ in range(0, width, 4):
        rest, last = rest // 10_000, rest
        fours.append(_FOUR_DIGITS.take(last - rest * 10_000))
    digits = np.column_stack(fours[::-1]).view(np.uint8)[:, -width:]
    for length in range(len(str(least)), width):
        digits[numbers < 10**length, width - length - 1] = 0
    return digits
