"""One enterprise's points lost as a vector: a word mod 2^64 for each family of the list, to be masked and summed.

Apart from what computes them, because whoever only looks them up or adds them up needs no blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.errors import InvalidModelInput
from models.reasons.families import ReasonFamilies, packaged_families

MOST_LOST: Final = 2**31 - 1
"""What one department can state at most for one enterprise and family, in fixed point."""


def words_in_order(
    codes: Sequence[str], lost: NDArray[Any], families: ReasonFamilies | None = None
) -> NDArray[np.uint64]:
    """One enterprise's points lost in the families `codes`, at their places in the list: (families,); 0 elsewhere.

    Two's complement, to be masked. Raises `InvalidModelInput` for a code that is not in the list.
    """
    families = families or packaged_families()
    if lost.shape != (len(codes),) or any(code not in families for code in codes):
        raise InvalidModelInput("points lost are of reason families that are not in the list, or of other ones")
    words = np.zeros(len(families), np.int64)
    words[[families.places[code] for code in codes]] = lost
    return words.view(np.uint64)
