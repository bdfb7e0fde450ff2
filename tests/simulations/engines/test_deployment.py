"""One SuperLink with three SuperNodes on loopback, brought up once; then what must hold on them."""

import dataclasses
import json
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from flwr.app.user_config import UserConfig

from crypto.identifiers import ParticipantId
from participants.client_app import app
from participants.executor import PinnedExecutor
from simulations.engines.credentials import make_node_key
from simulations.engines.deployment import FlowerFederation, flower_federation
from simulations.engines.errors import EngineNotStarted, RunFailed

NAMES = ("bank-1", "courts", "tax")
SERVER = "echo_federation:server"
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
        with flower_federation(homes, directory=directory / "engine", client_app="echo_federation:client") as running:
            yield running
    assert running.daemons.marked() == []


def test_the_apps_run_on_flower_and_the_participants_run_their_own_code_warm(engine: FlowerFederation) -> None:
    # What the coordinator names as the participants' app is not what they run.
    elsewhere = dataclasses.replace(engine, client_app="no_such_module:app")
    lines: list[str] = []
    result = json.loads(elsewhere.run(SERVER, {**CONFIG}, deadline_seconds=120, progress=lines.append))
    assert sorted(result["answers"]) == list(NAMES)
    for name, answer in result["answers"].items():
        home, process, size = answer.split()
        assert (home, size) == (name, "200000")
        assert int(process) == engine.daemons.started[f"executor-{name}"].process.pid
    assert [line.split()[:2] for line in lines] == [["exchange", str(number)] for number in range(3)]
    assert sorted(result["seconds"])[1] < 4, "the pauses were not shortened"


def test_a_failed_run_is_one_line_with_the_place_of_the_log_and_without_what_a_participant_holds(
    engine: FlowerFederation,
) -> None:
    with pytest.raises(RunFailed) as failed:
        engine.run(SERVER, {**CONFIG, "kind": "leak"}, deadline_seconds=120)
    assert failed.value.message.endswith(" refused: InternalError")
    link, executor = engine.directory / "logs" / "superlink.log", engine.daemons.started["executor-tax"].log
    assert str(link) in failed.value.advice
    assert "secret value 42" in executor.read_text()
    assert "secret value 42" not in link.read_text()


def test_a_node_whose_key_was_not_registered_does_not_get_in(engine: FlowerFederation) -> None:
    known = engine.daemons.started["supernode-tax"].process.args
    assert isinstance(known, list)
    arguments = known[5:]
    make_node_key(engine.directory / "stranger.key")
    arguments[arguments.index("--auth-supernode-private-key") + 1] = str(engine.directory / "stranger.key")
    arguments[arguments.index("--port") + 1] = "0"
    stranger = engine.daemons.start("stranger", "participants.supernode:main", arguments)
    assert stranger.process.wait(40) != 0
    del engine.daemons.started["stranger"]


def test_a_program_without_the_secret_gets_no_task(engine: FlowerFederation) -> None:
    command = engine.daemons.started["executor-tax"].process.args
    assert isinstance(command, list)
    address = command[command.index("--runtime-api") + 1]
    with (
        closing(PinnedExecutor(address, b"another secret", app)) as intruder,
        pytest.raises(SystemExit, match="secret"),
    ):
        intruder.serve()


def test_a_participant_whose_node_ended_is_named(engine: FlowerFederation) -> None:
    engine.daemons.started["supernode-tax"].process.terminate()
    engine.daemons.started["supernode-tax"].process.wait(20)
    with pytest.raises(RunFailed, match="not connected: tax"):
        engine.run(SERVER, {**CONFIG, "wait-seconds": 1.0}, deadline_seconds=120)


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
        ports = [occupied.getsockname()[1]]
        monkeypatch.setattr("simulations.engines.deployment.free_ports", lambda _: ports)
        engine = flower_federation({}, directory=tmp_path / "engine")
        with pytest.raises(EngineNotStarted, match="superlink ended"), engine:
            pass
