"""The table of partials: looked up one at a time or by the thousand, and replaced as a whole."""

from __future__ import annotations

import contextlib
import datetime as dt

import numpy as np
import pytest

from crypto.errors import PeerError
from crypto.identifiers import EnterpriseId, ModelVersion
from models.enterprise_id import make_enterprise_ids
from models.hosting.storage.database import Database
from participants.department.partials import PartialTable

VERSION, OTHER = ModelVersion("a" * 32), ModelVersion("b" * 32)
EVERYBODY = make_enterprise_ids(np.random.default_rng(5), 3000)
HELD, UNKNOWN = EVERYBODY[:2000], EVERYBODY[2000:]
PARTIALS = np.random.default_rng(6).integers(-(2**40), 2**40, len(HELD))
ABSENT = -77


@pytest.fixture
def table(department_database: Database) -> PartialTable:
    made = PartialTable(department_database, VERSION)
    with department_database.begin() as connection:
        made.replace(connection, HELD, PARTIALS, as_of=1000, absent=ABSENT)
    return made


def rows(database: Database) -> int:
    with database.reading() as connection:
        found: int = connection.exec_driver_sql("SELECT count(*) FROM partials").scalar_one()
    return found


@pytest.mark.parametrize("asked", [1, 2, 3, 400, 3000])
def test_each_has_its_partial_in_the_order_of_the_list(table: PartialTable, asked: int) -> None:
    order = np.random.default_rng(asked).permutation(len(EVERYBODY))[:asked]
    words = table.words([EVERYBODY[row] for row in order])
    assert words.dtype == np.uint64
    assert words.view(np.int64).tolist() == [int(PARTIALS[row]) if row < len(HELD) else ABSENT for row in order]


def test_an_empty_list_has_no_partials(table: PartialTable) -> None:
    assert table.words([]).shape == (0,)


def test_another_table_takes_the_place_of_the_first_and_nothing_of_that_is_left(
    department_database: Database, table: PartialTable
) -> None:
    with department_database.begin() as connection:
        PartialTable(department_database, OTHER).replace(connection, HELD[:1], PARTIALS[:1], as_of=1, absent=5)
        table.replace(connection, UNKNOWN, np.arange(len(UNKNOWN)), as_of=2000)
    assert table.words(UNKNOWN).tolist() == list(range(len(UNKNOWN)))
    assert set(table.words(HELD).view(np.int64).tolist()) == {ABSENT}  # which is what it was
    assert PartialTable(department_database, OTHER).words(HELD[:1]).view(np.int64).tolist() == PARTIALS[:1].tolist()
    assert rows(department_database) == len(UNKNOWN) + 1


def test_a_table_that_is_not_replaced_in_the_end_stays_as_it_was(
    department_database: Database, table: PartialTable
) -> None:
    with contextlib.suppress(ZeroDivisionError), department_database.begin() as connection:
        table.replace(connection, UNKNOWN, np.arange(len(UNKNOWN)), as_of=2000)
        _ = 1 / 0
    assert table.words(HELD).view(np.int64).tolist() == PARTIALS.tolist()
    assert rows(department_database) == len(HELD)


def test_a_transaction_reads_what_it_has_written(department_database: Database, table: PartialTable) -> None:
    with department_database.begin() as connection:
        table.replace(connection, HELD[:2], np.array([1, 2]), as_of=2000)
        assert table.words(HELD[:2], connection).tolist() == [1, 2]
        assert table.words(HELD[:1], connection).tolist() == [1]
        assert table.words(HELD[:1]).view(np.int64).tolist() == PARTIALS[:1].tolist()


def test_it_is_known_of_when_each_ones_data_are(department_database: Database, table: PartialTable) -> None:
    assert (table.as_of(HELD[0]), table.as_of(UNKNOWN[0])) == (1000, 1000)
    with department_database.begin() as connection:
        days = [dt.date(1970, 1, 3), None]
        table.replace(connection, HELD[:2], np.array([1, 2]), as_of=2000, days=days)
    assert [table.as_of(one) for one in HELD[:3]] == [2 * 86_400, 2000, 2000]


def test_a_model_that_is_not_here_has_no_partials(department_database: Database) -> None:
    table = PartialTable(department_database, VERSION)
    for asked in (HELD[:1], HELD[:2]):
        with pytest.raises(PeerError, match="no such model"):
            table.words(asked)
    with pytest.raises(PeerError), department_database.begin() as connection:
        table.replace(connection, HELD, PARTIALS, as_of=1000)


def test_an_id_that_is_there_twice_replaces_nothing(department_database: Database, table: PartialTable) -> None:
    twice: list[EnterpriseId] = [HELD[0], HELD[0]]
    with pytest.raises(Exception, match="cannot be used"), department_database.begin() as connection:
        table.replace(connection, twice, np.array([1, 2]), as_of=2000)
    assert table.words(HELD).view(np.int64).tolist() == PARTIALS.tolist()
