"""Numbers and names as a reader sees them, on the page and on the terminal alike."""

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from itertools import groupby

MISSING = "–"
"""Stands where nothing was measured."""

OUTWARD_DIGITS = 4
"""Of bounds that were proved, and of what stands beside them."""

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

_STAGE_LABELS = {
    "finetuned-teacher": "fine-tuned, teacher data",
    "finetuned-fixed": "fine-tuned, fixed pairs",
    "finetuned-reference": "fine-tuned, reference data",
    "plain": "values alone (control)",
    "scratch": "from scratch (control)",
    "oracle": "oracle (yardstick)",
}

_UNITS = ((86400.0, "days"), (3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


def stage_label(name: str) -> str:
    """The name of a stage in words.

    >>> stage_label("finetuned-reference")
    'fine-tuned, reference data'
    """
    return _STAGE_LABELS.get(name, name.replace("-", " "))


def r2_text(r2: float | None) -> str:
    """R2 with six decimals, and with as many more as it takes to tell it from 1.

    >>> r2_text(0.9999621), r2_text(0.99999996), r2_text(-90.31)
    ('0.999962', '0.99999996', '−90.31')
    """
    if r2 is None or not math.isfinite(r2):
        return MISSING
    if r2 < 0:
        return f"−{-r2:.2f}" if r2 > -1e4 else f"−{scientific(-r2)}"
    for decimals in range(6, 13):
        text = f"{r2:.{decimals}f}"
        if float(text) < 1.0:
            return text
    return "1.000000"


def outward_text(bound: float, up: bool) -> str:
    """A bound with four digits, rounded up or down so that what was proved is still true as printed.

    >>> outward_text(0.123401, up=True), outward_text(0.123401, up=False), outward_text(-2.0, up=True)
    ('0.1235', '0.1234', '-2')
    """
    if not math.isfinite(bound):
        return "unbounded"
    rounded = Context(OUTWARD_DIGITS, ROUND_CEILING if up else ROUND_FLOOR).create_decimal(Decimal(bound))
    return f"{float(rounded):.{OUTWARD_DIGITS}g}"


def error_text(error: float | None) -> str:
    """An error, or any other magnitude, with two digits.

    >>> error_text(0.0000382), error_text(0.0475), error_text(None)
    ('3.8×10⁻⁵', '0.048', '–')
    """
    if error is None or not math.isfinite(error):
        return MISSING
    if error == 0 or 1e-3 <= abs(error) < 100:
        return f"{error:.2g}"
    return count_text(float(f"{error:.2g}")) if 100 <= abs(error) < 1e5 else scientific(error)


def scientific(number: float) -> str:
    """Mantissa with one decimal, and power of ten.

    >>> scientific(2.3e-7)
    '2.3×10⁻⁷'
    """
    mantissa, exponent = f"{number:.1e}".split("e")
    return f"{mantissa}×{power_of_ten(int(exponent))}"


def power_of_ten(exponent: int) -> str:
    """A power of ten, small ones written out.

    >>> power_of_ten(-3), power_of_ten(1)
    ('10⁻³', '10')
    """
    written_out = {0: "1", 1: "10"}
    return written_out.get(exponent, "10" + str(exponent).translate(_SUPERSCRIPTS))


def count_text(count: float | int) -> str:
    """A whole number with thousands apart.

    >>> count_text(83713)
    '83,713'
    """
    return f"{count:,.0f}" if count < 1e9 else scientific(count)


def duration_text(seconds: float) -> str:
    """A time with three digits at most, in the unit that suits it.

    >>> duration_text(0.00031), duration_text(48.2), duration_text(5400)
    ('310 µs', '48.2 s', '1.5 h')
    """
    if not math.isfinite(seconds):
        return MISSING
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), _UNITS[-1])
    return f"{seconds / size:.3g} {unit}" if seconds / size < 1000 else f"{seconds / size:,.0f} {unit}"


def widths_text(widths: tuple[int, ...] | None) -> str:
    """The layers of a network, repeated widths counted.

    >>> widths_text((7, 128, 128, 128, 1)), widths_text((7, 2, 4, 1))
    ('7–128×3–1', '7–2–4–1')
    """
    if widths is None:
        return MISSING
    runs = [(width, len(list(run))) for width, run in groupby(widths)]
    return "–".join(f"{width}×{length}" if length > 1 else str(width) for width, length in runs)
