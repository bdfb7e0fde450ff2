"""Numbers and names as they stand on the page."""

import unicodedata
from typing import Final

_UNPRINTABLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
_BYTES_A_STEP: Final = 1000.0
_MINUTE: Final = 60.0


def printable(text: str) -> str:
    """Text without control characters, without marks that turn the direction of writing, and without surrogates."""
    return "".join(one if unicodedata.category(one) not in _UNPRINTABLE else " " for one in text)


def shortened(text: str, columns: int) -> str:
    """Printable text of at most `columns` columns, a wide (Chinese) character counting two."""
    text = printable(text)
    if sum(map(_width, text)) <= columns:
        return text
    taken, used = "", 1
    for one in text:
        if used + _width(one) > columns:
            break
        taken, used = taken + one, used + _width(one)
    return taken.rstrip() + "…"


def _width(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def figure(value: float) -> str:
    """AUC or KS: four decimals."""
    return f"{value:.4f}"


def in_a_hundred(value: float) -> str:
    """A share as so many in 100, one decimal."""
    return f"{100 * value:.1f}"


def percent(value: float) -> str:
    """A share in percent, one decimal."""
    return f"{value:.1%}"


def share_of_bytes(value: float) -> str:
    """A share in percent, two decimals, never rounded up to all or down to none."""
    if 0 < value < 1:
        value = min(max(value, 0.0001), 0.9999)
    return f"{value:.2%}"


def count(value: float) -> str:
    """A whole number with its thousands set apart."""
    return f"{value:,.0f}"


def signed(value: float) -> str:
    """Points with their sign, a true minus."""
    return f"+{value:,.0f}" if value > 0 else f"−{-value:,.0f}" if value < 0 else "0"


def size(value: float) -> str:
    """A number of bytes with a unit of thousands."""
    if value < _BYTES_A_STEP:
        return f"{value:.0f} B"
    for unit in ("kB", "MB", "GB"):
        value /= _BYTES_A_STEP
        if value < _BYTES_A_STEP:
            return f"{value:.3g} {unit}" if value < 100 else f"{value:.0f} {unit}"
    return f"{value:,.0f} GB"


def duration(seconds: float) -> str:
    """Seconds, and minutes from one minute on."""
    if round(seconds, 1) < _MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), int(_MINUTE))
    return f"{minutes} min {rest} s"


def several(number: float, one: str, many: str = "") -> str:
    """A number with its noun."""
    return f"{number:,.0f} {one if number == 1 else many or one + 's'}"
