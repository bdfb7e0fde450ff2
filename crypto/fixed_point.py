"""Numbers as words mod 2^64: two's complement with a fixed number of bits after the point.

    word = round(value * 2^fraction_bits)  mod 2^64,        |value| * 2^fraction_bits < 2^63

Sums of words are sums of values as long as the sum keeps the bound; the caller sees to that.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from crypto.errors import ProtocolStateError

Words = NDArray[np.uint64]
"""uint64 (length,): integers mod 2^64."""

Reals = NDArray[np.float64]
"""float64 (length,)."""

MAXIMUM_FRACTION_BITS: Final = 62


def to_fixed_point(values: Reals, fraction_bits: int) -> Words:
    """Return `values` (any shape, float64) as words; `ProtocolStateError` for what is not finite or too large."""
    _check(fraction_bits)
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.rint(np.ldexp(np.asarray(values, np.float64), fraction_bits))
    # NaN compares false, so it fails this test too. 2^63 itself is not a signed word; -2^63 is left out for symmetry.
    if not bool(np.all(np.abs(scaled) < 2.0**63)):
        raise ProtocolStateError(
            "a value is not finite or too large for its fixed-point form",
            advice="Look for a model that diverged or a feature on an extreme scale.",
        )
    words: Words = scaled.astype(np.int64).view(np.uint64)
    return words


def from_fixed_point(words: Words, fraction_bits: int) -> Reals:
    """Return the values of `words` (any shape, uint64) as float64, read as signed."""
    _check(fraction_bits)
    values: Reals = np.ldexp(np.ascontiguousarray(words, np.uint64).view(np.int64).astype(np.float64), -fraction_bits)
    return values


def _check(fraction_bits: int) -> None:
    if not 0 <= fraction_bits <= MAXIMUM_FRACTION_BITS:
        raise ProtocolStateError("a fixed-point form has 0 to 62 bits after the point")
