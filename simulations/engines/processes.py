"""The engine's processes: started with a log each, watched, and taken down together whatever happens.

Every process carries a mark of this engine's own in its environment, which its children inherit. After the processes
were asked to end, and then made to, whatever still carries the mark is found and killed: Flower starts processes of its
own in sessions of their own. Only processes with the mark are ever touched.
"""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from simulations.engines.errors import EngineNotStarted

_MARK: Final = "YURONG_ENGINE_MARK"
_PACKAGES: Final = Path(__file__).parents[2]
_GRACE_SECONDS: Final = 4.0


@dataclass(frozen=True, slots=True)
class Daemon:
    """A process and where its output goes."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path


class Daemons:
    """A context in which processes are started; none is left when it ends.

    `logs`: the directory of their logs. `environment`: set for all of them, beside this process's own. `started`: what
    was started, by name.
    """

    def __init__(self, logs: Path, environment: Mapping[str, str]) -> None:
        self._logs = logs
        self._mark = secrets.token_hex(16)
        self._environment = {
            **os.environ,
            **environment,
            # Flower starts its own programs by name, and they import ours, also from a checkout that is not installed.
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(_PACKAGES), os.environ.get("PYTHONPATH")])),
            _MARK: self._mark,
        }
        self.started: dict[str, Daemon] = {}

    def __enter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        # A second Ctrl-C must not leave anything behind.
        with _interrupts_held():
            self._stop()

    def start(self, name: str, entry_point: str, arguments: Sequence[str]) -> Daemon:
        """Start `module:function` with a command line."""
        log = self._logs / f"{name}.log"
        command = [sys.executable, "-m", "simulations.engines.daemon", str(os.getpid()), entry_point, *arguments]
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - the command is ours
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )
        daemon = Daemon(name, process, log)
        self.started[name] = daemon
        return daemon

    def require_running(self) -> None:
        """Raise `EngineNotStarted` if a process has ended."""
        for daemon in self.started.values():
            if (code := daemon.process.poll()) is not None:
                raise EngineNotStarted(
                    f"{daemon.name} ended with code {code}: {last_line(daemon.log)}", advice=f"Its log is {daemon.log}."
                )

    def _stop(self) -> None:
        for daemon in reversed(self.started.values()):
            with contextlib.suppress(ProcessLookupError):
                daemon.process.terminate()
        ends_at = time.monotonic() + _GRACE_SECONDS
        for daemon in self.started.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                daemon.process.wait(max(0.0, ends_at - time.monotonic()))
        for daemon in self.started.values():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(daemon.process.pid, signal.SIGKILL)
            daemon.process.wait()
        ends_at = time.monotonic() + _GRACE_SECONDS
        while (left := self.marked()) and time.monotonic() < ends_at:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)

    def marked(self) -> list[int]:
        """The processes that carry this engine's mark (known on Linux only)."""
        wanted = f"{_MARK}={self._mark}".encode()
        found = []
        for environment in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if wanted in environment.read_bytes().split(b"\0"):
                    found.append(int(environment.parent.name))
        return found


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Put Ctrl-C off; it is raised at the end. Python gives signals to the main thread, so elsewhere there is none."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: held.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if held:
        raise KeyboardInterrupt


def last_line(log: Path) -> str:
    """The last line of a log that says anything; for a message to a human."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it wrote nothing"


def free_ports(count: int) -> list[int]:
    """Ports on loopback that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
