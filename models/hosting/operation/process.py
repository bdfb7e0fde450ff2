"""The process of a node: logs, metrics, the operations listener, and the services that it looks after.

    with NodeProcess(settings, checks={"database": ...}) as process:
        process.look_after(services)
        serve(...)                  or process.wait_for_end()

What a role serves runs in this process; Flower's programs, which may be killed and started again, in their own.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import resource
import signal
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from models.hosting.errors import FileRefused, ListenRefused
from models.hosting.https.connection import Limits
from models.hosting.https.server import BackgroundServer
from models.hosting.operation.logs import configure_logs
from models.hosting.operation.metrics import new_registry
from models.hosting.operation.operations import Check, operations_app
from models.hosting.operation.settings import HostSettings
from models.hosting.operation.supervisor import Service, Supervisor

SERVED_FILE: Final = "serve.lock"


@contextlib.contextmanager
def the_only_one(home: Path) -> Iterator[None]:
    """Be the process that serves a home; `ListenRefused` while another does. A process that is killed lets go.

    Two would write over each other's certificates, and both would answer.
    """
    descriptor = os.open(home / SERVED_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ListenRefused(f"{home} is being served already", advice="stop that process first") from None
        except OSError as fault:
            raise FileRefused(
                f"{home / SERVED_FILE} cannot be locked ({type(fault).__name__})",
                advice="a home lies on a disk of this machine",
            ) from None
        yield
    finally:
        os.close(descriptor)


class NodeProcess:
    """A context: everything is up within it, and nothing is left after it. `checks`: what readiness means."""

    def __init__(self, settings: HostSettings, *, checks: Mapping[str, Check]) -> None:
        configure_logs()
        forbid_core_dumps()
        allow_connections()
        self.settings = settings
        self.registry = new_registry()
        self.limits = Limits(shutdown_seconds=settings.shutdown_seconds)
        self._checks = dict(checks)
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Start the supervisor. `open_operations` is called when all checks are known."""
        self._supervisor = self._stack.enter_context(Supervisor())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def look_after(self, services: Iterable[Service]) -> None:
        """Start services, keep them running, and count them among what the node needs."""
        for service in services:
            self._supervisor.start(service)
            self._checks[service.name] = self._check_of(service)

    def keep(self, context: AbstractContextManager[object]) -> None:
        """Enter a context that is left when the node ends."""
        self._stack.enter_context(context)

    def open_operations(self, checks: Mapping[str, Check] | None = None) -> None:
        """Answer /healthz, /readyz and /metrics from now on."""
        app = operations_app(self.registry, self._checks | dict(checks or {}))
        server = BackgroundServer(app, host=self.settings.operations_host, port=self.settings.operations_port)
        self._stack.enter_context(server)
        # What was loaded until here stays: the collector need not look through it again while requests are answered.
        gc.collect()
        gc.freeze()

    def wait_for_end(self) -> None:
        """Return at SIGTERM or SIGINT; for a node that serves nobody itself."""
        ended = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ended.set())
        while not ended.wait(1.0):
            pass

    def _check_of(self, service: Service) -> Check:
        return lambda: self._supervisor.child(service.name).ready()


def forbid_core_dumps() -> None:
    """Have a crash of this process, or of one that it starts, write no memory to the disk: private keys are in it."""
    _, hardest = resource.getrlimit(resource.RLIMIT_CORE)
    # One byte is too little for a dump, and keeps Linux from handing one to a program, which nought does not.
    limit = min(1, hardest) if hardest != resource.RLIM_INFINITY else 1
    resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))


def allow_connections() -> None:
    """Let this process, and those that it starts, have as many descriptors as it may: connections are some."""
    _, hardest = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hardest, hardest))
