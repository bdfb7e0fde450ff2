"""A federation of real processes trains: what must hold from its start to its end, in the order in which it happens."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from crypto.identifiers import EnterpriseId, ModelVersion, ParticipantId, Role, RunId
from participants.model_store import ModelStore
from simulations.federation_data import FederationData
from simulations.local_federation.consenting import enterprises_of, have_consented
from simulations.local_federation.federation import LocalFederation, readiness
from simulations.local_federation.founding import BUREAU, registrar_of
from simulations.local_federation.operator import YURONG
from simulations.local_federation.processes import command_of, descendants
from simulations.local_federation.waiting import until

OPTIONS = ("--purpose", "credit of small firms", "--rounds", "2", "--parameters", "14", "--bins", "4")
COURTS = ParticipantId("courts")
SECRET = "the record of 91500000MA5U000001 says arrears"
IDS = re.compile(rb"9[0-9]{7}[0-9A-HJ-NP-RT-UW-Y]{10}")

pytestmark = pytest.mark.timeout(600)


@dataclass(frozen=True)
class Trained:
    """A federation whose nodes were started bank first and bureau last, and what became of its one run."""

    federation: LocalFederation
    waited_for: list[set[str]]
    run: RunId
    version: ModelVersion


@pytest.fixture(scope="module")
def trained(
    founded: Callable[[Path], AbstractContextManager[LocalFederation]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Trained]:
    directory = tmp_path_factory.mktemp("processes")
    fault = directory / "fault"
    fault.write_text(SECRET)
    faulty = {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent / "faulty"), str(Path(__file__).parents[3])]),
        "YURONG_TEST_FAULT": str(fault),
    }
    with founded(directory) as federation:
        federation.start(federation.named(Role.BANK))
        federation.start(federation.named(Role.DEPARTMENT)[1:])
        federation.start([COURTS], environment=faulty)
        time.sleep(2)  # until they have called a bureau that is not there
        federation.start([BUREAU])
        federation.wait_until_ready(federation.nodes)
        run = federation.propose(*OPTIONS)
        first = waits_for(federation, run, len(federation.nodes) - 1)
        federation.approve(run, sorted(ParticipantId(name) for name in first - {COURTS}))
        second = waits_for(federation, run, 1)
        federation.approve(run, [COURTS])
        # Watching the file costs nothing; each look by a command costs what others compute with.
        until(lambda: {"phase": "evaluation"} in federation.news(run), "the rounds are over", seconds=500)
        version = federation.approve_and_wait(run, seconds=200)
        assert not fault.exists()
        yield Trained(federation, [first, second], run, version)
    assert federation.supervisor.marked() == []


def asked_about(data: FederationData) -> list[EnterpriseId]:
    """Two enterprises in the first bank's book."""
    return [EnterpriseId(name) for name in data.banks[0].table["enterprise_id"].head(2).to_list()]


def waits_for(federation: LocalFederation, run: RunId, count: int) -> set[str]:
    """Whom the bureau says that a run waits for, as soon as it is so many."""
    until(
        lambda: any(len(news.get("pending", ())) == count for news in federation.news(run)),
        f"the run waits for {count}",
    )
    return {*federation.run(run)["waits_for"]}


def test_a_run_waits_until_everybody_has_approved_and_names_who_is_missing(trained: Trained) -> None:
    everybody = {name for name in trained.federation.nodes if name != BUREAU}
    assert trained.waited_for == [everybody, {COURTS}]


def test_an_error_within_a_participant_costs_an_attempt_and_not_the_run(trained: Trained) -> None:
    said = trained.federation.run(trained.run)
    assert (said["state"], said["attempt"], said["reason"]) == ("finished", 2, None)
    rounds = [news["round"] for news in trained.federation.news(trained.run) if "round" in news]
    assert rounds == list(range(1, len(rounds) + 1)), "a round was doubled"


def test_everybody_has_its_part_of_the_model_and_a_bank_asks_for_scores_by_it(
    trained: Trained, small_data: FederationData, tmp_path: Path
) -> None:
    federation = trained.federation
    for name in (*federation.named(Role.DEPARTMENT), *federation.named(Role.BANK)):
        store = ModelStore(federation.nodes[name].operator.home / "models", trained.version)
        assert store.exists
        assert store.manifest()["run_id"].startswith(trained.run)
    federation.nodes[BUREAU].operator.type("approve", trained.version)
    bank, ids = small_data.banks[0].participant_id, asked_about(small_data)
    have_consented(federation, registrar_of(small_data), enterprises_of({bank: ids}, tmp_path))
    (score,) = federation.nodes[bank].operator.ask("score", ids[0])
    assert score["model"] == trained.version
    assert not score["missing_departments"]


@pytest.mark.parametrize(
    "pattern", ["table-*.parquet", "staged.json"], ids=["the table is written", "the table is staged"]
)
def test_a_department_killed_in_an_import_serves_by_the_old_records_or_the_new_ones(
    trained: Trained, small_data: FederationData, tmp_path: Path, pattern: str
) -> None:
    federation, department = trained.federation, small_data.departments[0]
    name, operator = department.participant_id, federation.nodes[department.participant_id].operator
    data = operator.home / "data"
    before, new = set(data.iterdir()), tmp_path / "fewer.parquet"
    rows = operator.ask("status")["records"]
    # One row less than there is, whatever an earlier case left.
    department.table.head(rows - 1).write_parquet(new)
    with importing(operator.home, new) as importer:
        until_quickly(lambda: set(data.glob(pattern)) - before or importer.poll() is not None)
        os.kill(importer.pid, signal.SIGKILL)
        federation.kill(name)
        assert importer.wait() == -signal.SIGKILL
    federation.start([name])
    federation.wait_until_ready([name])
    assert operator.ask("status")["records"] in (rows, rows - 1)
    bank = federation.nodes[small_data.banks[0].participant_id].operator
    (score,) = bank.ask("score", asked_about(small_data)[1])
    assert not score["missing_departments"]
    operator.type("import", str(new))
    assert operator.ask("status")["records"] == rows - 1
    assert len(list(data.iterdir())) == len(before), "what the import left that was killed is gone"


@contextmanager
def importing(home: Path, file: Path) -> Iterator[subprocess.Popen[bytes]]:
    """An operator's import under way, which is not left behind."""
    typed = [*YURONG, "department", "import", str(file), "--home", str(home)]
    with subprocess.Popen(typed, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            yield process
        finally:
            process.kill()


def until_quickly(look: Callable[[], object], *, seconds: float = 60.0) -> None:
    """As `until`, for what is over in a few milliseconds."""
    ends_at = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < ends_at
        time.sleep(0.0002)


def test_no_log_and_no_message_kept_at_the_bureau_holds_an_enterprise_or_the_text_of_an_error(
    trained: Trained, small_data: FederationData
) -> None:
    known = {str(one).encode() for member in small_data.members for one in member.table["enterprise_id"]}
    bureau = trained.federation.nodes[BUREAU].operator.home
    logs = next(log.parent for name in [COURTS] if (log := trained.federation.supervisor.child(name).log) is not None)
    looked_at = [*logs.iterdir(), *(path for path in bureau.rglob("*") if path.is_file())]
    assert {"state.sqlite", "node.sqlite", f"{COURTS}.log", "progress"} <= {path.name for path in looked_at}
    for path in looked_at:
        data = path.read_bytes()
        assert not {*IDS.findall(data)} & (known | {SECRET.split()[3].encode()}), path
        assert SECRET.encode() not in data, path
    assert b"ValueError" in (logs / f"{COURTS}.log").read_bytes(), "the operator sees that something failed"


@pytest.mark.parametrize("role", list(Role))
def test_nothing_is_left_of_a_node_that_is_killed(trained: Trained, role: Role) -> None:
    federation = trained.federation
    name = federation.named(role)[0]
    below = {pid: command_of(pid) for pid in descendants(federation.pid(name))}
    assert len(below) >= 2
    os.kill(federation.pid(name), signal.SIGKILL)
    until(lambda: all(command_of(pid) != command for pid, command in below.items()), "all have ended", seconds=10)
    federation.supervisor.forget(name)
    assert readiness(federation.nodes[name]) is None
