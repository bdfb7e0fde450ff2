"""The processes that make up one node: started, started again when they end, and taken down together.

    with Supervisor(environment={...}) as supervisor:
        supervisor.start(Service("supernode", "participants.flower.supernode:main", [...], restart_seconds=8.0))
        supervisor.start(Service("executor", "participants.flower.executor:main", [...]))
        ...                                   # supervisor.ready() says whether all run and answer

A service is an entry point of ours in a process of its own. When it ends, whatever is left of its process group is
killed, and after its `restart_seconds` it is started again. At the end all are asked to end, then made to. Every
process carries a mark of this supervisor's in its environment, which its children inherit: what still carries it at the
very end is found and killed, since Flower starts processes in sessions of their own. Only processes with the mark, and
the groups that were started here, are ever touched. A supervisor that is killed itself takes its services along too:
each watches for it (`supervised.py`).
"""

import contextlib
import logging
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final, Self

from models.hosting.trust.passphrase import FILE_NAMED_IN, GIVEN_IN

_MARK: Final = "YURONG_SUPERVISOR_MARK"
_PACKAGES: Final = Path(__file__).parents[3]
_LOOK_SECONDS: Final = 0.1
_PAUSE_SECONDS: Final = 0.02
_TRY_AGAIN_SECONDS: Final = 1.0
_STANDARD_ERROR: Final = 2

_log = logging.getLogger(__name__)


def _always(_started_at: float) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Service:
    """One process of a node.

    `entry_point` is `module:function`, called with `arguments` as its command line. `restart_seconds` is the pause
    before it is started again after it ended; None: its end is final. `ready` is asked only while the process runs, and
    told when it was started (Unix time), since what an earlier one left says nothing of it. `environment` is added to
    the supervisor's. `opens_home`: whether it sees the passphrase that this process was given.
    """

    name: str
    entry_point: str
    arguments: Sequence[str] = ()
    restart_seconds: float | None = 1.0
    ready: Callable[[float], bool] = _always
    environment: Mapping[str, str] = field(default_factory=dict)
    opens_home: bool = True


class State(Enum):
    """What a service is doing."""

    RUNNING = "running"
    RESTARTING = "restarting"
    ENDED = "ended"


@dataclass(slots=True)
class Child:
    """A service and its process, started at `started_at` (Unix time).

    `starts` counts how often it was started; `code` is how it last ended.
    """

    service: Service
    log: Path | None
    process: "subprocess.Popen[bytes]"
    started_at: float
    starts: int = 1
    state: State = State.RUNNING
    code: int | None = None
    starts_at: float = 0.0

    def ready(self) -> bool:
        """Whether it runs and says that it is ready."""
        return self.state is State.RUNNING and self.service.ready(self.started_at)


class Supervisor:
    """A context in which services run; none of their processes is left when it ends.

    `logs`: a directory in which each service has a log; None: they write to this process's standard error.
    `environment`: set for all of them, beside this process's own. `grace_seconds`: how long they may take to end.
    """

    def __init__(
        self, *, logs: Path | None = None, environment: Mapping[str, str] | None = None, grace_seconds: float = 8.0
    ) -> None:
        self._logs = logs
        self._grace_seconds = grace_seconds
        self._mark = secrets.token_hex(16)
        self._environment = {
            **os.environ,
            **(environment or {}),
            # Flower starts its own programs by name, and they import ours, also from a checkout that is not installed.
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(_PACKAGES), os.environ.get("PYTHONPATH")])),
            # Or `python -m` would take modules from the present directory first, where others may have put some.
            "PYTHONSAFEPATH": "1",
            _MARK: self._mark,
        }
        self._children: dict[str, Child] = {}
        self._lock = threading.RLock()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def __enter__(self) -> Self:
        if self._logs is not None:
            self._logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # A second Ctrl-C must not leave anything behind.
        with _interrupts_held():
            self._ends.set()
            self._thread.join()
            self._stop()

    def start(self, service: Service) -> Child:
        """Start a service and keep it running."""
        log = None if self._logs is None else self._logs / f"{service.name}.log"
        with self._lock:
            started_at = time.time()
            child = Child(service, log, self._spawn(service, log), started_at)
            self._children[service.name] = child
        return child

    def forget(self, name: str) -> None:
        """End a service for good."""
        with self._lock:
            child = self._children.pop(name)
        self._end([child])

    def child(self, name: str) -> Child:
        """A service's process as it is now."""
        with self._lock:
            return self._children[name]

    def ready(self) -> bool:
        """Whether every service runs and says that it is ready."""
        with self._lock:
            children = list(self._children.values())
        return all(child.ready() for child in children)

    def ended(self) -> Child | None:
        """A service that ended and will not be started again, if there is one."""
        with self._lock:
            return next((child for child in self._children.values() if child.state is State.ENDED), None)

    def marked(self) -> list[int]:
        """The processes that carry this supervisor's mark (known on Linux only)."""
        wanted = f"{_MARK}={self._mark}".encode()
        found = []
        for environment in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if wanted in environment.read_bytes().split(b"\0"):
                    found.append(int(environment.parent.name))
        return found

    def _spawn(self, service: Service, log: Path | None) -> "subprocess.Popen[bytes]":
        with contextlib.ExitStack() as stack:
            output = _STANDARD_ERROR if log is None else stack.enter_context(log.open("ab")).fileno()
            return subprocess.Popen(  # noqa: S603 - the command is ours
                [
                    *(sys.executable, "-P", "-m", "models.hosting.operation.supervised", str(os.getpid())),
                    *(service.entry_point, *service.arguments),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._environment_of(service),
                start_new_session=True,
            )

    def _environment_of(self, service: Service) -> dict[str, str]:
        seen = {**self._environment, **service.environment}
        if not service.opens_home:
            for secret in (GIVEN_IN, FILE_NAMED_IN):
                seen.pop(secret, None)
        return seen

    def _watch(self) -> None:
        while not self._ends.wait(_LOOK_SECONDS):
            with self._lock:
                for child in list(self._children.values()):
                    self._look_at(child)

    def _look_at(self, child: Child) -> None:
        service = child.service
        if child.state is State.RUNNING and _has_ended(child.process):
            _kill_group(child)
            child.code = child.process.wait()
            child.state = State.ENDED if service.restart_seconds is None else State.RESTARTING
            child.starts_at = time.monotonic() + (service.restart_seconds or 0.0)
            _log.warning("%s ended with code %d", service.name, child.code)
        elif child.state is State.RESTARTING and time.monotonic() >= child.starts_at:
            started_at = time.time()
            try:
                child.process = self._spawn(service, child.log)
            except (OSError, subprocess.SubprocessError) as error:
                # No memory, no process or no descriptor to be had at the moment: another try is all that helps.
                _log.error("a service could not be started again", extra={"service": service.name, "error": error})
                child.starts_at = time.monotonic() + max(service.restart_seconds or 0.0, _TRY_AGAIN_SECONDS)
                return
            child.started_at = started_at
            child.starts += 1
            child.state = State.RUNNING

    def _stop(self) -> None:
        self._end(list(self._children.values()))
        ends_at = time.monotonic() + self._grace_seconds
        while (left := self.marked()) and time.monotonic() < ends_at:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(_PAUSE_SECONDS)

    def _end(self, children: Sequence[Child]) -> None:
        running = [child for child in children if child.state is State.RUNNING]
        for child in reversed(running):
            os.kill(child.process.pid, signal.SIGTERM)
        ends_at = time.monotonic() + self._grace_seconds
        while time.monotonic() < ends_at and not all(_has_ended(child.process) for child in running):
            time.sleep(_PAUSE_SECONDS)
        for child in running:
            _kill_group(child)
            child.code = child.process.wait()
            child.state = State.ENDED


def _has_ended(process: "subprocess.Popen[bytes]") -> bool:
    """Whether it ended. It is not reaped, so that until then its number and its group's are nobody else's."""
    return (
        process.returncode is not None
        or os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    )


def _kill_group(child: Child) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.process.pid, signal.SIGKILL)


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


def last_line(log: Path | None) -> str:
    """The last line of a log that says anything; for a message to a human."""
    text = log.read_text(errors="replace") if log is not None else ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it wrote nothing"
