"""No process of the engine's survives it, however it ends."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from simulations.engines.errors import EngineNotStarted
from simulations.engines.processes import Daemons, free_ports

APPS = Path(__file__).parents[2] / "models" / "hosting" / "apps"


@pytest.fixture(autouse=True)
def _apps_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(APPS))


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    ends_at = time.monotonic() + seconds
    while not condition() and time.monotonic() < ends_at:
        time.sleep(0.05)
    return condition()


def test_all_processes_and_their_children_end_with_the_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulations.engines.processes._GRACE_SECONDS", 0.5)
    with Daemons(tmp_path / "logs", {}) as daemons:
        daemons.start("patient", "sleepers:patient", [])
        daemons.start("stubborn", "sleepers:stubborn", [str(tmp_path / "ignores")])
        daemons.start("parent", "sleepers:parent", [str(tmp_path / "has-child")])
        assert wait_until(lambda: (tmp_path / "ignores").exists() and (tmp_path / "has-child").exists())
        daemons.require_running()
        assert len(daemons.marked()) == 4
    assert daemons.marked() == []


def test_an_exception_or_an_interrupt_takes_them_down_too(tmp_path: Path) -> None:
    for reason in (RuntimeError, KeyboardInterrupt):
        daemons = Daemons(tmp_path / reason.__name__, {})

        def interrupted(daemons: Daemons = daemons, reason: type[BaseException] = reason) -> None:
            with daemons:
                daemons.start("patient", "sleepers:patient", [])
                raise reason

        with pytest.raises(reason):
            interrupted()
        assert daemons.marked() == []


def test_a_second_interrupt_waits_until_all_are_down(tmp_path: Path) -> None:
    daemons = Daemons(tmp_path, {})

    def interrupted_while_it_ends() -> None:
        with daemons:
            daemons.start("interrupting", "sleepers:interrupting", [str(tmp_path / "ready")])
            assert wait_until((tmp_path / "ready").exists)

    with pytest.raises(KeyboardInterrupt):
        interrupted_while_it_ends()
    assert daemons.marked() == []


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux")
def test_a_killed_engine_leaves_nothing_behind(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from simulations.engines.processes import Daemons\n"
        "with Daemons(Path(sys.argv[1]), {}) as daemons:\n"
        "    daemon = daemons.start('patient', 'sleepers:patient', [])\n"
        "    print(daemon.process.pid, flush=True)\n"
        "    time.sleep(600)\n"
    )
    path = os.pathsep.join([str(APPS), str(Path(__file__).parents[3])])
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}) as engine:
        assert engine.stdout is not None
        daemon = Path("/proc") / engine.stdout.readline().decode().strip()
        time.sleep(1.0)
        assert daemon.exists()
        engine.send_signal(signal.SIGKILL)
    assert wait_until(lambda: not daemon.exists() or " Z " in (daemon / "stat").read_text())


def test_a_process_that_ended_is_reported_in_one_line_with_its_log(tmp_path: Path) -> None:
    with Daemons(tmp_path, {}) as daemons:
        daemon = daemons.start("failing", "sleepers:failing", [])
        daemon.process.wait()
        with pytest.raises(EngineNotStarted) as failed:
            daemons.require_running()
    assert "it cannot be done" in failed.value.message
    assert "\n" not in failed.value.message
    assert str(tmp_path / "failing.log") in failed.value.advice


def test_free_ports_are_different_and_can_be_bound() -> None:
    ports = free_ports(5)
    assert len(set(ports)) == 5
    for port in ports:
        with socket.socket() as one:
            one.bind(("127.0.0.1", port))
