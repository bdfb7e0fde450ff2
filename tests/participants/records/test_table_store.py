"""Rows of a stored table by their ids."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from models.enterprise_id import make_enterprise_ids
from participants.records.contract import KEY_COLUMN
from participants.records.table_store import rows_of

IDS = make_enterprise_ids(np.random.default_rng(4), 400)
STRANGERS = ("0", *IDS[300:340], "~")
TABLE = (
    pl.DataFrame({KEY_COLUMN: sorted(IDS[:300])}).with_row_index("place").with_columns(name=pl.col("place").cast(str))
)


def expected(ids: list[str]) -> list[tuple[object, ...]]:
    places: dict[str, int] = {name: place for place, name in enumerate(sorted(IDS[:300]))}
    return [(name, places.get(name), str(places[name]) if name in places else None) for name in ids]


@pytest.mark.parametrize("count", [0, 1, 2, 9, 60, 300])
def test_there_is_a_row_for_each_id_in_order_whether_the_table_holds_it_or_not(count: int) -> None:
    drawn = np.random.default_rng(count).permutation([*IDS[:300], *STRANGERS])[:count].tolist()
    for ids in (drawn, drawn * 2, list(STRANGERS)[:count], [*drawn, STRANGERS[0], STRANGERS[-1]]):
        assert rows_of(TABLE, ids).select(KEY_COLUMN, "place", "name").rows() == expected(ids)


def test_an_empty_table_holds_nobody() -> None:
    assert rows_of(TABLE.clear(), [IDS[0]]).select(KEY_COLUMN, "place").rows() == [(IDS[0], None)]


def test_a_few_rows_are_found_without_a_look_at_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def join(*_: object, **__: object) -> pl.DataFrame:
        raise AssertionError("the whole table was read")

    monkeypatch.setattr(pl.DataFrame, "join", join)
    assert rows_of(TABLE, [IDS[0]]).height == 1
