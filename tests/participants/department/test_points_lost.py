"""Points lost beside partials: one look-up, at the places of the list, for enterprises with a record and without."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from crypto.errors import PeerError
from crypto.identifiers import ModelVersion
from models.enterprise_id import make_enterprise_ids
from models.errors import InvalidModelInput
from models.hosting.storage.database import Database
from models.reasons.errors import ReasonsNotKept
from models.reasons.families import packaged_families
from models.reasons.words import MOST_LOST
from participants.department.partials import PartialTable
from participants.department.points_lost import Cells, PointsLost, words_of

VERSION = ModelVersion("a" * 32)
EVERYBODY = make_enterprise_ids(np.random.default_rng(5), 300)
HELD, UNKNOWN = EVERYBODY[:200], EVERYBODY[200:]
CODES = ("TX1", "TX2", "UT1")
ROWS = np.random.default_rng(7).integers(0, MOST_LOST, (len(HELD), len(CODES)), dtype=np.int32, endpoint=True)
ABSENT = np.array([5, 0, MOST_LOST], np.int32)
LOST = PointsLost(codes=CODES, rows=ROWS, absent=ABSENT)
PLACES = [packaged_families().places[code] for code in CODES]


@pytest.fixture
def table(department_database: Database) -> PartialTable:
    made = PartialTable(department_database, VERSION)
    with department_database.begin() as connection:
        made.replace(connection, HELD, np.arange(len(HELD)), as_of=1000, absent=0, lost=LOST)
    return made


def test_each_has_its_own_points_lost_at_the_places_of_the_list(table: PartialTable) -> None:
    for row in (0, 1, 199):
        words = table.lost_words(HELD[row])
        assert words.shape == (len(packaged_families()),)
        assert words[PLACES].tolist() == ROWS[row].tolist()
        assert np.delete(words, PLACES).sum() == 0
        assert table.words(HELD[row : row + 1]).tolist() == [row]


def test_an_enterprise_without_a_record_has_those_of_a_record_without_values(table: PartialTable) -> None:
    assert table.lost_words(UNKNOWN[0])[PLACES].tolist() == ABSENT.tolist()


def test_a_transaction_reads_the_points_lost_that_it_has_written(
    department_database: Database, table: PartialTable
) -> None:
    other = PointsLost(codes=("GE1",), rows=np.array([[9]], np.int32), absent=np.array([1], np.int32))
    with department_database.begin() as connection:
        table.replace(connection, HELD[:1], np.array([1]), as_of=2000, absent=0, lost=other)
        assert table.lost_words(HELD[0], connection).tolist() == [9, *[0] * (len(packaged_families()) - 1)]
        assert table.lost_words(HELD[0])[PLACES].tolist() == ROWS[0].tolist()
    assert table.lost_words(HELD[1]).tolist() == [1, *[0] * (len(packaged_families()) - 1)]


def test_partials_of_an_earlier_release_have_no_points_lost_and_no_zeros_either(
    department_database: Database, table: PartialTable
) -> None:
    with department_database.begin() as connection:
        table.replace(connection, HELD, np.arange(len(HELD)), as_of=1000)
    for enterprise in (HELD[0], UNKNOWN[0]):
        with pytest.raises(ReasonsNotKept):
            table.lost_words(enterprise)
    assert table.words(HELD[:1]).tolist() == [0]


def test_a_model_that_is_not_here_has_no_points_lost(department_database: Database) -> None:
    with pytest.raises(PeerError, match="no such model"):
        PartialTable(department_database, VERSION).lost_words(HELD[0])


@pytest.mark.parametrize(
    ("codes", "rows", "absent"), [((), (1, 0), 0), (("TX1",), (1, 2), 1), (("TX1",), (1, 1), 2), (("TX1",), (1,), 1)]
)
def test_points_lost_of_another_shape_are_refused(codes: tuple[str, ...], rows: tuple[int, ...], absent: int) -> None:
    with pytest.raises(InvalidModelInput):
        PointsLost(codes=codes, rows=np.zeros(rows, np.int32), absent=np.zeros(absent, np.int32))


@given(
    arrays(np.int32, (3, 2), elements=st.integers(0, MOST_LOST)),
    st.permutations([family.code for family in packaged_families().families]),
)
def test_what_is_kept_is_read_back(rows: NDArray[np.int32], drawn: list[str]) -> None:
    codes = tuple(drawn[:2])
    for row, cell in zip(rows, Cells(rows).of(np.arange(3)), strict=True):
        assert len(cell) == 8
        words = words_of(" ".join(codes), cell)
        assert words[[packaged_families().places[code] for code in codes]].tolist() == row.tolist()


@given(st.none() | st.text("TXUTGE123 Z", max_size=12), st.none() | st.binary(max_size=16))
def test_whatever_was_kept_only_our_error_escapes(families: str | None, cell: bytes | None) -> None:
    try:
        words = words_of(families, cell)
    except ReasonsNotKept:
        return
    assert words.shape == (len(packaged_families()),)
