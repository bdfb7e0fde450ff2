"""The small federation has of everything a little, and is the same each time."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
from polars.testing import assert_frame_equal

from models.enterprise_id import enterprise_id_fault
from simulations.small_federation import SmallFederation


def test_the_same_seed_makes_the_same_federation_and_another_seed_another() -> None:
    shape = SmallFederation()
    for one, same in zip(shape.make().members, shape.make().members, strict=True):
        assert_frame_equal(one.table, same.table)
    assert not shape.make().banks[0].table.equals(replace(shape, seed=8).make().banks[0].table)


def test_there_are_gaps_absent_enterprises_and_decoys() -> None:
    data = SmallFederation(banks=3, weighted=True).make()
    clients = pl.concat([bank.table for bank in data.banks])
    assert clients["enterprise_id"].is_unique().all()
    assert all(enterprise_id_fault(one) is None for one in clients["enterprise_id"])
    assert clients["default"].null_count() == 3 * 46
    assert 0.1 < clients["default"].mean() < 0.4  # type: ignore[operator]  # a number of flags
    assert clients["weight"].is_between(0.1, 4.0).all()
    for department in data.departments:
        held = set(department.table["enterprise_id"])
        assert 0 < len(set(clients["enterprise_id"]) - held) < clients.height / 5
        assert department.table[f"{department.participant_id}_amount"].null_count() > 0
