import hashlib
import signal
import subprocess
import sys
import threading
import time
from datetime import date
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from sqlalchemy import func, insert, select

from crypto.identifiers import EnterpriseId, ModelVersion
from models.block_file import block_from_bytes
from models.enterprise_id import make_enterprise_ids
from models.errors import InvalidModelInput
from models.hosting.storage.database import URL_FILE
from models.reasons.lost import LostByFamily
from models.reasons.words import words_in_order
from models.wire.scoring import PARTIAL_FRACTION_BITS
from participants.command.status import node_status
from participants.department import importer
from participants.department.block_partials import all_partials
from participants.department.database import create_database, open_database
from participants.department.database.tables import imports, mask_contexts, partial_tables, partials
from participants.department.errors import AnswersForgotten
from participants.department.importer import ImportOutcome, import_data
from participants.department.partials import PartialTable, require_partials
from participants.department.retirement import retire_model
from participants.department.serve import serve_department
from participants.department.settings import DepartmentSettings
from participants.department.store import DepartmentStore
from participants.department.unfinished_import import settle_import
from participants.errors import ImportGoesOn, StoreUnusable, TableRefused
from participants.model_store import ModelStore
from participants.records.contract import KEY_COLUMN
from participants.records.table_store import TableStore
from simulations.benchmarks.drawn_records import drawn_contract, drawn_home, drawn_table

ITEMS = 8
STRANGER = make_enterprise_ids(np.random.default_rng(77), 1)[0]


class FixedClock:
    def now(self) -> float:
        return 1_800_000_000.5


class Department:
    """A department with a model over its items, and two files of records: `old`, which it has taken in, and `new`."""

    def __init__(self, directory: Path, rows: int = 400) -> None:
        rng = np.random.default_rng(3)
        self.contract = drawn_contract(ITEMS)
        self.home = drawn_home(directory / "home", self.contract, rng)
        self.files = {"old": directory / "old.csv", "new": directory / "new.parquet"}
        self.tables = {name: drawn_table(self.contract, rows + 50 * k, rng) for k, name in enumerate(self.files)}
        self.tables["old"].write_csv(self.files["old"])
        self.tables["new"].write_parquet(self.files["new"])
        self.database = open_database(self.home)
        (self.version,) = [ModelVersion(path.name) for path in (self.home.directory / "models").iterdir()]

    @classmethod
    def with_old(cls, directory: Path, rows: int = 400) -> Self:
        made = cls(directory, rows)
        made.take("old")
        return made

    def take(self, name: str) -> ImportOutcome:
        return import_data(self.home, self.files[name], clock=FixedClock())

    @property
    def store(self) -> DepartmentStore:
        return DepartmentStore(self.home.directory / "data")

    def ids(self, name: str) -> list[EnterpriseId]:
        return sorted(EnterpriseId(one) for one in self.tables[name][KEY_COLUMN])

    def codes(self, name: str) -> NDArray[Any]:
        """The block's codes of the table, and of an enterprise that is not in it, all at once."""
        block = block_from_bytes(ModelStore(self.home.directory / "models", self.version).block())
        ordered = self.tables[name].sort(KEY_COLUMN)
        values = {
            item.name: ordered[item.name].to_list()
            if ordered[item.name].dtype == pl.String
            else ordered[item.name].to_physical().cast(pl.Float64).fill_null(float("nan")).to_numpy()
            for item in self.contract.items
        }
        return np.concatenate([block.encode(values), block.absent_codes(1)])

    def partials(self, name: str) -> NDArray[np.uint64]:
        """What the model makes of the table, and of an enterprise that is not in it."""
        block = block_from_bytes(ModelStore(self.home.directory / "models", self.version).block())
        image = block.image(self.codes(name), block.weights_array())
        return np.rint(image * 2.0**PARTIAL_FRACTION_BITS).astype(np.int64).view(np.uint64)

    def points_lost(self, name: str) -> NDArray[np.uint64]:
        """What the first ten of the table lose, and an enterprise that is not in it."""
        block = block_from_bytes(ModelStore(self.home.directory / "models", self.version).block())
        contributions = block.contributions(self.codes(name))[[*range(10), -1]]
        lost = LostByFamily(block, self.contract.reasons)
        return np.array([words_in_order(lost.codes, row) for row in lost.lost(contributions)])

    def holds(self, name: str) -> bool:
        """Whether records, partials, points lost and the note of the import are those of this file and of no other."""
        ids = self.ids(name)
        table = PartialTable(self.database, self.version)
        scored = bool(np.array_equal(table.words((*ids, STRANGER)), self.partials(name)))
        lost = [table.lost_words(one) for one in (*ids[:10], STRANGER)]
        scored = scored and bool(np.array_equal(lost, self.points_lost(name)))
        with self.database.reading() as connection:
            rows = connection.execute(select(partial_tables.c.rows)).scalar_one()
            noted = connection.execute(select(imports.c.rows).order_by(imports.c.import_id.desc())).scalar()
        return scored and self.store.enterprise_ids() == ids and rows == noted == len(ids)

    def rows_in_database(self) -> int:
        with self.database.reading() as connection:
            return connection.execute(select(func.count()).select_from(partials)).scalar_one()


@pytest.fixture
def department(tmp_path: Path) -> Department:
    return Department.with_old(tmp_path)


def test_records_and_partials_are_those_of_the_file(department: Department) -> None:
    assert department.holds("old")
    outcome = department.take("new")
    assert (outcome.rows, outcome.models) == (450, 1)
    assert set(outcome.seconds) == {"table", "partials", "database"}
    assert department.holds("new")
    assert not department.holds("old")
    assert department.rows_in_database() == 450
    assert len(list((department.home.directory / "data").iterdir())) == 3


def test_a_partial_is_of_the_day_that_its_row_says(department: Department) -> None:
    table = PartialTable(department.database, department.version)
    row = department.tables["old"].row(0, named=True)
    assert table.as_of(row[KEY_COLUMN]) == (row["as_of"] - date(1970, 1, 1)).days * 86_400
    department.tables["old"].drop("as_of").write_csv(department.files["old"])
    department.take("old")
    assert table.as_of(row[KEY_COLUMN]) == 1_800_000_000


def test_points_lost_are_of_the_reason_families_that_the_contract_names(department: Department) -> None:
    lost = LostByFamily(
        block_from_bytes(ModelStore(department.home.directory / "models", department.version).block()),
        department.contract.reasons,
    )
    assert lost.codes == ("GE1", "TX1", "TX2", "TX3")
    with department.database.reading() as connection:
        assert connection.execute(select(partial_tables.c.families)).scalar_one() == "GE1 TX1 TX2 TX3"
        cells = connection.execute(select(partials.c.lost)).scalars().all()
    assert {len(cell) for cell in cells} == {16}


def test_a_home_without_models_takes_in_its_records(department: Department) -> None:
    (department.home.directory / "models" / department.version / "facts.json").unlink()
    assert department.take("new").models == 0
    assert department.store.enterprise_ids() == department.ids("new")


def test_a_folder_that_the_operator_renamed_is_no_model_and_in_nobodys_way(department: Department) -> None:
    models = department.home.directory / "models"
    (models / department.version).rename(models / f"{department.version}.off")
    assert department.take("new").models == 0
    assert node_status(department.home, department.store)["models"] == []


def with_another_database(department: Department, directory: Path) -> None:
    """Name a new database, as when an operator goes on to another server, with its tables made and nothing in them."""
    (department.home.directory / URL_FILE).write_text(f"sqlite:///{directory / 'other.sqlite'}")
    (department.home.directory / URL_FILE).chmod(0o600)
    create_database(department.home)


def test_a_database_that_this_home_did_not_answer_from_takes_in_no_records_and_serves_nobody(
    department: Department, tmp_path: Path
) -> None:
    """With partials in it, it would answer, and would have forgotten with which set enterprises were answered."""
    require_partials(department.home, department.database)
    with_another_database(department, tmp_path)
    with pytest.raises(AnswersForgotten, match=department.version):
        department.take("new")
    assert department.store.enterprise_ids() == department.ids("old")
    with pytest.raises(AnswersForgotten, match="not the one that this home answered from"):
        serve_department(department.home, DepartmentSettings.model_validate({}))
    retire_model(department.home, department.version)  # the way out, if the database is lost
    assert department.take("new").models == 0


def test_status_says_that_the_contract_was_changed_and_is_not_in_the_way(department: Department) -> None:
    assert node_status(department.home, department.store)["contract"] == "in use"
    DepartmentStore.create(department.home.directory / "data", drawn_contract(ITEMS + 1))
    status = node_status(department.home, department.store)
    assert (status["records"], status["contract"]) == (400, "changed: import again")


def test_an_import_is_noted_by_the_digest_of_the_file_that_was_read(
    department: Department, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = department.files["new"]
    read = path.read_bytes()
    compute = all_partials

    def with_another_file(change: Any) -> ImportOutcome:
        def changed(*args: Any, **named: Any) -> Any:
            change()
            return compute(*args, **named)

        with monkeypatch.context() as patch:
            patch.setattr(importer, "all_partials", changed)
            return department.take("new")

    def put_another_in_its_place() -> None:
        path.rename(path.with_suffix(".away"))
        path.write_bytes(b"another")

    with_another_file(put_another_in_its_place)
    with department.database.reading() as connection:
        digest = connection.execute(select(imports.c.file_digest).order_by(imports.c.import_id.desc())).scalar()
    assert digest == hashlib.sha256(read).digest()
    path.write_bytes(read)
    with pytest.raises(TableRefused, match="written to while"):
        with_another_file(lambda: path.write_bytes(b"another"))
    assert department.holds("new")


def test_a_file_with_faults_changes_nothing(department: Department) -> None:
    twice = pl.concat([department.tables["new"], department.tables["new"][:1]])
    twice.write_parquet(department.files["new"])
    with pytest.raises(TableRefused, match="more than once"):
        department.take("new")
    assert department.holds("old")
    assert len(list((department.home.directory / "data").iterdir())) == 3


def test_a_contract_without_a_feature_of_a_model_is_refused_and_changes_nothing(department: Department) -> None:
    before = department.contract
    fewer = drawn_contract(ITEMS - 1)
    DepartmentStore.create(department.home.directory / "data", fewer)
    department.tables["new"].drop(before.items[-1].name).write_parquet(department.files["new"])
    with pytest.raises(InvalidModelInput, match="missing"):
        department.take("new")
    DepartmentStore.create(department.home.directory / "data", before)
    assert department.holds("old")
    assert department.rows_in_database() == 400


def test_partials_are_computed_of_a_table_that_is_what_was_written_alone(department: Department) -> None:
    store = department.store.table_store
    path = department.home.directory / "data" / store.current().file
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(StoreUnusable, match="damaged"):
        next(store.parts(store.current(), [KEY_COLUMN]))


def test_one_import_goes_on_at_a_time(department: Department) -> None:
    with department.store.table_store.importing(), pytest.raises(ImportGoesOn, match="another import"):
        department.take("new")
    assert department.holds("old")


@pytest.mark.parametrize(
    ("place", "step", "left"),
    [
        (TableStore, "stage", "old"),
        (importer, "all_partials", "old"),
        (importer, "stage_partials", "old"),
        (PartialTable, "adopt", "old"),
        (TableStore, "publish", "new"),
        (importer, "remove_unused_rows", "new"),
    ],
)
@pytest.mark.parametrize("after", [False, True])
def test_a_machine_that_stops_before_or_after_a_step_leaves_one_state_whole(
    department: Department, monkeypatch: pytest.MonkeyPatch, place: Any, step: str, left: str, *, after: bool
) -> None:
    class MachineStopped(BaseException):
        pass

    original = getattr(place, step)

    def stop(*args: object, **named: object) -> None:
        if after:
            original(*args, **named)
        raise MachineStopped

    with monkeypatch.context() as patch:
        patch.setattr(place, step, stop)
        patch.setattr(importer, "settle", lambda *_: None)  # what has stopped tidies nothing up
        with pytest.raises(MachineStopped):
            department.take("new")
    settle_import(department.home)
    assert department.holds(left)
    department.take("new")
    assert department.holds("new")
    assert department.rows_in_database() == 450
    assert len(list((department.home.directory / "data").iterdir())) == 3


FORKS = """
import os, signal, sys, time
import hypothesis  # which pandera loads when it is first used
from pathlib import Path
from participants.clock import SystemClock
from participants.department.importer import import_data
from participants.home import Home

for line in sys.stdin:
    file, seconds = line.split()
    child = os.fork()
    if child == 0:
        import_data(Home.open(Path(sys.argv[1])), Path(file), clock=SystemClock())
        os._exit(0)
    if float(seconds):
        time.sleep(float(seconds))
        os.kill(child, signal.SIGKILL)  # if it has ended, it is still there for whoever waits for it
    print(os.waitpid(child, 0)[1], flush=True)
"""
"""Imports the files that it is told, each in a process of its own that starts at once and is killed after a time."""


class Importers:
    """Processes that import into a home, and are killed."""

    def __init__(self, home: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", FORKS, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=30)

    def run(self, file: Path, *, kill_after_seconds: float = 0.0) -> int:
        """Import a file; return the process's status: 0, or the signal that ended it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{file} {kill_after_seconds}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def test_an_import_killed_at_any_moment_leaves_the_old_state_or_the_new_one_whole(tmp_path: Path) -> None:
    department = Department.with_old(tmp_path, rows=2_000)
    rng, killed, present, seen = np.random.default_rng(), 0, "old", []
    with Importers(department.home.directory) as importers:
        assert importers.run(department.files["old"]) == 0
        started = time.perf_counter()
        assert importers.run(department.files["old"]) == 0
        seconds = time.perf_counter() - started
        for _ in range(15):
            following = "new" if present == "old" else "old"
            status = importers.run(department.files[following], kill_after_seconds=rng.uniform(0.001, 1.2 * seconds))
            killed += status == signal.SIGKILL
            settle_import(department.home)
            (present,) = [name for name in department.files if department.holds(name)]
            seen.append(present == following)
    assert killed >= 3
    assert not all(seen)
    department.take("new")
    assert department.holds("new")
    assert department.rows_in_database() == 2_050
    assert len(list((department.home.directory / "data").iterdir())) == 3


def test_scores_are_answered_and_noted_during_an_import(tmp_path: Path) -> None:
    department = Department.with_old(tmp_path, rows=60_000)
    ids = [*department.ids("old")[:5], STRANGER]
    table = PartialTable(department.database, department.version)
    old = table.words(ids)
    waits: list[float] = []
    wrong: list[object] = []
    ended = threading.Event()

    def score() -> None:
        while not ended.is_set():
            start = time.perf_counter()
            with department.database.begin() as connection:
                number = len(waits).to_bytes(32)
                connection.execute(insert(mask_contexts).values(digest=number, expires_at=1))
                words = table.words(ids, connection)
            waits.append(time.perf_counter() - start)
            if not (np.array_equal(words, old) or words[0] == words[-1]):  # by the new records nobody of these is held
                wrong.append(words)
            time.sleep(0.002)

    thread = threading.Thread(target=score)
    thread.start()
    try:
        department.take("new")
    finally:
        ended.set()
        thread.join()
    new = table.words(ids)
    assert not np.array_equal(old, new)
    assert not wrong
    assert len(waits) > 20
    assert max(waits) < 2.0  # 0.1 s on an idle machine
