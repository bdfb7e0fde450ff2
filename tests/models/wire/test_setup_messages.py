"""A cohort's order names rows of the cohort, each once and in order, or it is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import MalformedMessage
from models.wire.setup import TAG_BYTES, CohortOrder


@given(st.sets(st.integers(0, 99)))
def test_positions_come_back(rows: set[int]) -> None:
    order = CohortOrder.of(
        rows=100, positions=np.array(sorted(rows), dtype=np.int64), tags=bytes(TAG_BYTES * len(rows))
    )
    assert CohortOrder.decode(order.encode()).held_positions().tolist() == sorted(rows)


@pytest.mark.parametrize(("positions", "tags"), [([1, 1], 2), ([2, 1], 2), ([0, 3], 2), ([0, 1], 1), ([0], 2), ([], 1)])
def test_other_orders_are_refused(positions: list[int], tags: int) -> None:
    order = CohortOrder.of(rows=3, positions=np.array(positions, dtype=np.int64), tags=bytes(TAG_BYTES * tags))
    with pytest.raises(MalformedMessage):
        order.held_positions()
    with pytest.raises(MalformedMessage):
        CohortOrder(rows=3, positions=b"123", tags=b"").held_positions()
