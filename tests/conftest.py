"""Federations that many tests share. Keys and pins are made once; every run in them has an id of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from crypto.identifiers import Role
from models.hosting.storage.database import Database
from participants.node_database import new_database
from simulations.errors import PostgresqlMissing
from simulations.founding import FoundedFederation, found
from simulations.online import OnlineFederation
from simulations.online_rehearsal import OnlineRehearsal
from simulations.postgresql import PostgresqlServer
from simulations.rehearsal import FinishedRun, observe
from simulations.run_federation import plan_run
from simulations.small_federation import SETTINGS, SmallFederation

os.environ.setdefault("YURONG_WORKERS", "2")


@pytest.fixture(scope="session")
def federation(tmp_path_factory: pytest.TempPathFactory) -> FoundedFederation:
    """Four departments and two banks with features of their own."""
    return found(SmallFederation().make(), tmp_path_factory.mktemp("federation"))


@pytest.fixture(scope="session")
def finished(federation: FoundedFederation) -> FinishedRun:
    """A run of that federation from the first message to the last score."""
    return observe(federation, plan_run(federation, SETTINGS, purpose="credit of small firms"))


@pytest.fixture(scope="session")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnlineRehearsal]:
    """Four departments and two banks with a model that was drawn: they answer online score requests."""
    with OnlineRehearsal(tmp_path_factory.mktemp("rehearsal")) as made:
        yield made


@pytest.fixture
def online(rehearsal: OnlineRehearsal) -> Iterator[OnlineFederation]:
    """Everybody of the rehearsal, opened for this test."""
    with rehearsal.online() as opened:
        yield opened


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """A PostgreSQL server. A build without one fails; a developer's machine may do without."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(PostgresqlServer())
        except PostgresqlMissing as fault:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(f"{fault.message}. {fault.advice}")
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database without tables: one of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'node.sqlite'}"
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    return server.new_database()


@pytest.fixture
def department_database(database_url: str) -> Iterator[Database]:
    """A department's tables in one of each kind."""
    database = new_database(database_url, Role.DEPARTMENT)
    database.migrate()
    yield database
    database.close()
