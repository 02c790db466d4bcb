"""Floating-point numbers as text: digits that such a number cannot hold are never shown as if they were exact."""

LOST = "\u2248"
"""Stands before a number whose last digits may have changed: `≈18259732480` is never an id."""

DOUBLE_BITS = 53


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
