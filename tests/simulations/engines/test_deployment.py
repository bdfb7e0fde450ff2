"""A bureau with three participants on loopback, brought up once; then what must hold on them."""

import dataclasses
import json
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from flwr.app.user_config import UserConfig

from crypto.identifiers import ParticipantId
from participants.client_app import app
from participants.executor import PinnedExecutor
from participants.training import Apps
from simulations.engines.deployment import FlowerFederation, flower_federation
from simulations.engines.errors import EngineNotStarted, RunFailed

NAMES = ("bank-1", "courts", "tax")
ECHO = Apps("echo_federation:server", "echo_federation:client")
CONFIG: UserConfig = {
    "participants": ",".join(NAMES),
    "exchanges": 3,
    "bytes": 200_000,
    "kind": "echo",
    "wait-seconds": 40.0,
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlowerFederation]:
    directory = tmp_path_factory.mktemp("a directory")
    homes = {ParticipantId(name): directory / "the homes" / name for name in NAMES}
    for home in homes.values():
        home.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent / "apps"))
        with flower_federation(homes, directory=directory / "engine", apps=ECHO) as running:
            yield running
    assert running.supervisor.marked() == []


def test_the_apps_run_on_flower_and_the_participants_run_their_own_code_warm(engine: FlowerFederation) -> None:
    lines: list[str] = []
    result = json.loads(engine.run({**CONFIG}, deadline_seconds=120, progress=lines.append))
    assert sorted(result["answers"]) == list(NAMES)
    for name, answer in result["answers"].items():
        home, process, size = answer.split()
        assert (home, size) == (name, "200000")
        assert int(process) == engine.supervisor.child(f"executor-{name}").process.pid
    assert [line.split()[:2] for line in lines] == [["exchange", str(number)] for number in range(3)]
    assert sorted(result["seconds"])[1] < 4, "the pauses were not shortened"


def test_a_run_whose_bundle_names_another_app_is_refused(engine: FlowerFederation) -> None:
    other = dataclasses.replace(engine, apps=Apps(ECHO.server, "no_such_module:app"))
    with pytest.raises(RunFailed, match="another-release-installed"):
        other.run({**CONFIG}, deadline_seconds=120)


def test_a_failed_run_is_one_line_with_the_place_of_the_logs_and_without_what_a_participant_holds(
    engine: FlowerFederation,
) -> None:
    with pytest.raises(RunFailed) as failed:
        engine.run({**CONFIG, "kind": "leak"}, deadline_seconds=120)
    assert failed.value.message.endswith(" refused: InternalError")
    logs = engine.directory / "logs"
    assert str(logs) in failed.value.advice
    assert "secret value 42" in (logs / "executor-tax.log").read_text()
    for log in ("superlink", "superexec", "edge", "supernode-tax"):
        assert "secret value 42" not in (logs / f"{log}.log").read_text()


def test_nothing_of_the_bureaus_own_travels_with_a_run(engine: FlowerFederation) -> None:
    # The run's configuration, which every participant gets, has its name and whether it is taken up again.
    with closing(sqlite3.connect(engine.directory / "superlink" / "state.sqlite")) as state:
        configurations = [json.loads(row[0]) for row in state.execute("select override_config from run")]
    assert len(configurations) == 3
    assert all(sorted(one) == ["resume", "run"] and len(one["run"]) == 8 for one in configurations)


def test_a_program_without_the_secret_gets_no_task(engine: FlowerFederation) -> None:
    command = engine.supervisor.child("executor-tax").process.args
    assert isinstance(command, list)
    address = str(command[command.index("--runtime-api") + 1])
    with (
        closing(PinnedExecutor(address, b"another secret", app)) as intruder,
        pytest.raises(SystemExit, match="secret"),
    ):
        intruder.serve()


def test_a_participant_whose_node_ended_is_named(engine: FlowerFederation) -> None:
    node = engine.supervisor.child("supernode-tax").process
    node.terminate()
    node.wait(20)
    with pytest.raises(RunFailed, match="not connected: tax"):
        engine.run({**CONFIG, "wait-seconds": 1.0}, deadline_seconds=120)


def test_a_directory_that_is_in_use_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(EngineNotStarted, match="not empty"), flower_federation({}, directory=tmp_path):
        pass
    assert [file.name for file in tmp_path.iterdir()] == ["mine"]


def test_an_engine_that_cannot_start_says_so_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as occupied:
        occupied.bind(("127.0.0.1", 0))
        ports = [occupied.getsockname()[1], 1]
        monkeypatch.setattr("simulations.engines.deployment.free_ports", lambda _: ports)
        engine = flower_federation({}, directory=tmp_path / "engine")
        with pytest.raises(EngineNotStarted, match=r"(superlink|edge) ended"), engine:
            pass
