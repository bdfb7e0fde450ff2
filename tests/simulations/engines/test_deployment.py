"""A bureau with three participants on loopback, brought up once; then what must hold on them."""

import dataclasses
import json
import os
import signal
import socket
import sqlite3
import ssl
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from flwr.app.user_config import UserConfig

from coordinator.errors import LinkFailed
from coordinator.flower.control import Control
from crypto.identifiers import ParticipantId
from crypto.identity import ParticipantDocument
from models.hosting.trust.home import NodeHome
from participants.flower.client_app import app
from participants.flower.executor import PinnedExecutor
from participants.flower.training import Apps
from simulations.engines.deployment import FlowerFederation, flower_federation
from simulations.engines.errors import EngineNotStarted, RunFailed

NAMES = ("bank-1", "courts", "tax")
COURTS, TAX = ParticipantId("courts"), ParticipantId("tax")
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
        with flower_federation(homes, directory=directory / "engine", apps=ECHO, restart=True) as running:
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
    # Of an error that is not ours, its class: its text may quote a record.
    assert '"error": "ValueError"' in (logs / "executor-tax.log").read_text()
    for log in ("executor-tax", "superlink", "superexec", "edge", "supernode-tax"):
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


def tls_to_edge(engine: FlowerFederation, who: NodeHome | None) -> ssl.SSLSocket:
    """A connection to the edge, with the certificate of `who`; nothing is asked yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(engine.bureau.certificate_path)
    if who is not None:
        context.load_cert_chain(*who.tls_identity())
    host, port = engine.edge.split(":")
    return context.wrap_socket(socket.create_connection((host, int(port)), timeout=10), server_hostname=host)


def status_of(connection: ssl.SSLSocket, request: bytes) -> bytes:
    with connection:
        connection.sendall(request)
        answer = connection.recv(65536)
    if not answer:
        raise ssl.SSLError("cut off")
    return answer.split(b" ", 2)[1]


@pytest.mark.parametrize(
    "target",
    [
        *(
            b"/v1/control/list-runs",
            b"/v1/control/start-run",
            b"/v1/control/register-node",
            b"/v1/runtime/acquire-task",
        ),
        *(b"/v1/fleet/../control/list-runs", b"/v1/fleet/%2e%2e/control/list-runs", b"//v1/control/list-runs"),
        *(b"https://127.0.0.1/v1/control/list-runs", b"/docs", b"/v1/fleet/register-node"),
    ],
)
def test_a_participant_with_its_certificate_reaches_nothing_else_through_the_edge(
    engine: FlowerFederation, target: bytes
) -> None:
    request = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/protobuf\r\nContent-Length: 0\r\n\r\n"
    assert status_of(tls_to_edge(engine, engine.nodes[TAX]), request % target) == b"404"


def test_who_shows_no_certificate_does_not_even_shake_hands(engine: FlowerFederation) -> None:
    # In TLS 1.3 the client learns of it with the first read.
    with pytest.raises((ssl.SSLError, ConnectionError)):
        status_of(tls_to_edge(engine, None), b"POST /v1/fleet/get-run HTTP/1.1\r\nHost: x\r\n\r\n")


def test_the_superlinks_own_port_asks_for_the_key_too(engine: FlowerFederation) -> None:
    arguments = engine.supervisor.child("superlink").process.args
    assert isinstance(arguments, list)
    address = f"127.0.0.1:{arguments[arguments.index('--port') + 1]}"
    certificate = engine.directory / "superlink" / "link.pem"
    for key in (b"", b"another key"):
        with Control(address, certificate, key) as stranger:
            assert not stranger.answers()
            with pytest.raises(LinkFailed):
                stranger.start("run")
    assert {(node.name, node.status) for node in engine.control.nodes()} == {(name, "online") for name in NAMES}
    assert not engine.control.synchronise({name: [node_key(home)] for name, home in engine.nodes.items()})


def node_key(home: NodeHome) -> bytes:
    return ParticipantDocument.verify(home.document(), home.identity().public.fingerprint()).node_key


def test_no_token_stands_on_a_command_line(engine: FlowerFederation) -> None:
    seen: list[bytes] = []

    def look(_line: str) -> None:
        seen.extend(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in engine.supervisor.marked())

    engine.run({**CONFIG, "exchanges": 1}, deadline_seconds=120, progress=look)
    server_apps = [line for line in seen if b"executor_program" in line and b"supervised" not in line]
    assert server_apps
    assert not any(b"--token" in line for line in seen)


@pytest.mark.slow
def test_a_run_goes_on_when_the_superlink_is_killed(engine: FlowerFederation) -> None:
    killed: list[float] = []

    def kill(line: str) -> None:
        if line.startswith("exchange 2 "):
            os.kill(engine.supervisor.child("superlink").process.pid, signal.SIGKILL)
            killed.append(time.monotonic())

    result = json.loads(engine.run({**CONFIG, "exchanges": 6}, deadline_seconds=240, progress=kill))
    assert len(killed) == 1
    assert engine.supervisor.child("superlink").starts == 2
    assert len(result["seconds"]) == 6


@pytest.mark.slow
def test_a_server_app_that_is_killed_is_reported_at_once(engine: FlowerFederation) -> None:
    killed: list[float] = []

    def kill(line: str) -> None:
        if line.startswith("exchange 1 "):
            for pid in engine.supervisor.marked():
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
                if b"executor_program" in command and b"supervised" not in command:
                    os.kill(pid, signal.SIGKILL)
                    killed.append(time.monotonic())

    with pytest.raises(RunFailed, match="ended from outside"):
        engine.run({**CONFIG, "exchanges": 100}, deadline_seconds=240, progress=kill)
    assert len(killed) == 1
    assert time.monotonic() - killed[0] < 15


@pytest.mark.slow
@pytest.mark.parametrize("part", ["supernode-tax", "executor-tax", "edge", "superexec"])
def test_what_is_killed_is_back_for_the_next_run(engine: FlowerFederation, part: str) -> None:
    before, began = engine.supervisor.child(part).starts, time.monotonic()
    os.kill(engine.supervisor.child(part).process.pid, signal.SIGKILL)
    while engine.supervisor.child(part).starts == before or not engine.supervisor.ready():
        assert time.monotonic() - began < 60, "what was killed is not back in time"
        time.sleep(0.1)
    result = json.loads(engine.run({**CONFIG, "exchanges": 1}, deadline_seconds=60))
    assert sorted(result["answers"]) == list(NAMES)


def test_a_participant_that_is_unpinned_is_cut_off_and_the_run_names_it(engine: FlowerFederation) -> None:
    courts = engine.nodes[COURTS]
    while not engine.supervisor.ready():
        time.sleep(0.2)
    engine.bureau.pins.unpin(COURTS)
    request = b"POST /v1/fleet/get-run HTTP/1.1\r\nHost: x\r\n\r\n"
    ends_at = time.monotonic() + 10

    def is_refused() -> bool:
        try:
            status_of(tls_to_edge(engine, courts), request)
        except (ssl.SSLError, ConnectionError):
            return True
        return False

    while not (refused := is_refused()) and time.monotonic() < ends_at:
        time.sleep(0.2)
    assert refused
    engine.control.synchronise({name: [node_key(home)] for name, home in engine.nodes.items() if name != COURTS})
    with pytest.raises(RunFailed, match="not connected: courts"):
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
