"""Binning: departments cut their own features; banks cut the features that they share by a sum of histograms.

bureau -> dept.   BinDepartment        reply BlockShape: how many parameters the block has
bureau -> bank    BinBank              reply MaskedWords: histogram of each own feature, masked among the banks
bureau -> bank    SummedWords          reply MaskedWords: curvature of the bank block, training rows and defaults
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec

from models.wire.codec import Blob, Name, WireMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class BinRequest(WireMessage):
    """Cut your features into bins."""

    run_id: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockShape(WireMessage):
    """The size of a department's block."""

    parameters: Annotated[int, msgspec.Meta(ge=1, le=100_000)]
    entry_bits: Annotated[
        int, msgspec.Meta(ge=0, le=16)
    ]  # bits of the largest entry of a column: 0 for columns of 0 and 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedWords(WireMessage):
    """One bank's share of a sum over banks: uniform words without the other shares and the group pad."""

    words: Blob


@dataclass(frozen=True, slots=True, kw_only=True)
class SummedWords(WireMessage):
    """The banks' shares added up by the bureau: still under the group pad."""

    run_id: Name
    words: Blob
