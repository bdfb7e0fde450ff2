"""Services come back when they end, and no process survives the supervisor, however that ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from models.hosting.operation.supervisor import Service, State, Supervisor, last_line

APPS = Path(__file__).parent / "apps"


@pytest.fixture(autouse=True)
def _apps_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(APPS))


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    ends_at = time.monotonic() + seconds
    while not condition() and time.monotonic() < ends_at:
        time.sleep(0.05)
    return condition()


def once(name: str, *arguments: object) -> Service:
    return Service(name, f"sleepers:{name}", [str(argument) for argument in arguments], restart_seconds=None)


def test_all_processes_and_their_children_end_with_the_context(tmp_path: Path) -> None:
    with Supervisor(logs=tmp_path / "logs", grace_seconds=0.5) as supervisor:
        children = [
            supervisor.start(once("patient")),
            supervisor.start(once("stubborn", tmp_path / "ignores")),
            supervisor.start(once("parent", tmp_path / "has-child")),
        ]
        assert wait_until(lambda: (tmp_path / "ignores").exists() and (tmp_path / "has-child").exists())
        assert {child.state for child in children} == {State.RUNNING}
        assert len(supervisor.marked()) == 4
    assert supervisor.marked() == []


def test_a_service_that_is_killed_is_started_again_and_its_children_are_not_left(tmp_path: Path) -> None:
    ready = tmp_path / "has-child"
    service = Service(
        "parent",
        "sleepers:same_session_parent",
        [str(ready)],
        restart_seconds=0.2,
        ready=lambda started_at: ready.exists() and ready.stat().st_mtime > started_at,
    )
    with Supervisor(logs=tmp_path / "logs", grace_seconds=0.5) as supervisor:
        first = supervisor.start(service).process.pid
        assert wait_until(supervisor.ready)
        grandchild = int(ready.read_text())
        os.kill(first, signal.SIGKILL)
        assert wait_until(lambda: not alive(grandchild))
        assert wait_until(supervisor.ready)
        child = supervisor.child("parent")
        assert (child.starts, child.code) == (2, -signal.SIGKILL)
        assert child.process.pid != first


def test_the_pause_before_a_restart_is_kept(tmp_path: Path) -> None:
    with Supervisor(logs=tmp_path) as supervisor:
        supervisor.start(Service("failing", "sleepers:failing", restart_seconds=3600.0))
        assert wait_until(lambda: supervisor.child("failing").state is State.RESTARTING)
        time.sleep(0.3)
        assert supervisor.child("failing").starts == 1
        assert not supervisor.ready()


def test_a_service_that_cannot_be_started_for_a_moment_is_started_later_and_others_are_looked_after_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("models.hosting.operation.supervisor._TRY_AGAIN_SECONDS", 0.1)
    start, tries = Supervisor._spawn, list[str]()

    def sometimes(self: Supervisor, service: Service, log: Path | None) -> "subprocess.Popen[bytes]":
        tries.append(service.name)
        if tries.count(service.name) in (2, 3):
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return start(self, service, log)

    monkeypatch.setattr(Supervisor, "_spawn", sometimes)
    with Supervisor(logs=tmp_path, grace_seconds=0.5) as supervisor:
        for name in ("one", "other"):
            supervisor.start(Service(name, "sleepers:patient", restart_seconds=0.0))
        for name in ("one", "other"):
            os.kill(supervisor.child(name).process.pid, signal.SIGKILL)
        for name in ("one", "other"):
            assert wait_until(lambda name=name: supervisor.child(name).starts == 2)  # type: ignore[misc]
        assert supervisor.ready()
    assert caplog.messages.count("a service could not be started again") == 4


def test_a_service_that_opens_no_home_does_not_see_its_passphrase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = {"YURONG_PASSPHRASE": "six words at random", "YURONG_PASSPHRASE_FILE": "/run/secrets/passphrase"}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    with Supervisor(logs=tmp_path, grace_seconds=0.5) as supervisor:
        for opens_home in (True, False):
            child = supervisor.start(Service(str(opens_home), "sleepers:patient", opens_home=opens_home))
            environment = Path(f"/proc/{child.process.pid}/environ")
            assert wait_until(lambda: supervisor.marked() != [])
            seen = {entry.partition("=")[0] for entry in environment.read_text().split("\0")}
            assert (secrets.keys() <= seen) is opens_home
            assert bool(secrets.keys() & seen) is opens_home


def test_an_end_that_is_final_is_told_with_the_last_line_of_its_log(tmp_path: Path) -> None:
    with Supervisor(logs=tmp_path) as supervisor:
        supervisor.start(once("failing"))
        assert wait_until(lambda: supervisor.ended() is not None)
        ended = supervisor.child("failing")
        assert ended.code == 1
        assert last_line(ended.log) == "it cannot be done"


def test_a_service_can_be_ended_alone(tmp_path: Path) -> None:
    with Supervisor(logs=tmp_path) as supervisor:
        supervisor.start(once("patient"))
        supervisor.forget("patient")
        assert supervisor.marked() == []
        with pytest.raises(KeyError):
            supervisor.child("patient")


def test_modules_that_lie_in_the_present_directory_are_run_by_a_plain_python_and_not_by_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = tmp_path / "models"
    planted.mkdir()
    (planted / "__init__.py").write_text("import pathlib; pathlib.Path('was-run').touch()\n")
    monkeypatch.chdir(tmp_path)
    mark = tmp_path / "was-run"
    plain = [sys.executable, "-m", "models.hosting.operation.supervised", "1", "sleepers:failing"]
    assert subprocess.run(plain, capture_output=True, check=False).returncode != 0
    assert mark.exists()
    mark.unlink()
    with Supervisor(logs=tmp_path / "logs") as supervisor:
        supervisor.start(once("parent", tmp_path / "has-child"))
        assert wait_until((tmp_path / "has-child").exists)
        supervisor.start(once("parent_of_module", "models.hosting.operation.supervised", tmp_path / "has-ended"))
        assert wait_until((tmp_path / "has-ended").exists)
    assert not mark.exists()


@pytest.mark.parametrize("reason", [RuntimeError, KeyboardInterrupt])
def test_an_exception_or_an_interrupt_takes_them_down_too(tmp_path: Path, reason: type[BaseException]) -> None:
    supervisor = Supervisor(logs=tmp_path)

    def interrupted() -> None:
        with supervisor:
            supervisor.start(once("patient"))
            raise reason

    with pytest.raises(reason):
        interrupted()
    assert supervisor.marked() == []


def test_a_second_interrupt_waits_until_all_are_down(tmp_path: Path) -> None:
    supervisor = Supervisor(logs=tmp_path)

    def interrupted_while_it_ends() -> None:
        with supervisor:
            supervisor.start(once("interrupting", tmp_path / "ready"))
            assert wait_until((tmp_path / "ready").exists)

    with pytest.raises(KeyboardInterrupt):
        interrupted_while_it_ends()
    assert supervisor.marked() == []


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux")
def test_a_killed_supervisor_leaves_nothing_behind(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path\n"
        "from models.hosting.operation.supervisor import Service, Supervisor\n"
        "with Supervisor(logs=Path(sys.argv[1])) as supervisor:\n"
        "    child = supervisor.start(Service('patient', 'sleepers:patient'))\n"
        "    print(child.process.pid, flush=True)\n"
        "    time.sleep(600)\n"
    )
    path = os.pathsep.join([str(APPS), str(Path(__file__).parents[4])])
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}) as owner:
        assert owner.stdout is not None
        daemon = int(owner.stdout.readline())
        time.sleep(1.0)
        assert alive(daemon)
        owner.send_signal(signal.SIGKILL)
    assert wait_until(lambda: not alive(daemon))


def alive(pid: int) -> bool:
    status = Path("/proc") / str(pid) / "stat"
    return status.exists() and " Z " not in status.read_text()
