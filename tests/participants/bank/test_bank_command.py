"""What a bank types to have scores, against nodes that run: one score, a portfolio, and one that is killed half-way."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import func, select
from typer.testing import CliRunner

from coordinator.home import BureauHome
from crypto.errors import PeerError
from crypto.identifiers import EnterpriseId, ParticipantId, Role
from models.hosting.operation.settings import CONFIG_FILE
from participants.bank.client import the_bureau
from participants.bank.command import SOME_NOT_SCORED, app
from participants.bank.database import open_database
from participants.bank.database.tables import open_requests, scores
from participants.bank.settings import BankSettings
from participants.home import Home
from simulations.online_nodes import OnlineNodes

PROGRAM = "from participants.bank.command import app; app()"
HALF_WAY = 20


class Typed:
    """A bank's operator, and enterprises that nobody was asked about."""

    def __init__(self, nodes: OnlineNodes) -> None:
        self.nodes = nodes
        self.home = nodes.drawn.homes[nodes.drawn.banks[0]]
        self._next = 0

    def take(self, count: int) -> tuple[list[int], list[EnterpriseId]]:
        rows = list(range(self._next, self._next + count))
        self._next += count
        return rows, [self.nodes.enterprise(row) for row in rows]

    def type(self, *words: str, said: str = "", code: int = 0) -> str:
        """What the command prints to standard output."""
        done = CliRunner().invoke(app, [*words, "--home", str(self.home), "--json"], input=said)
        assert done.exit_code == code, (done.output, done.exception)
        return done.stdout

    def true(self, rows: Sequence[int]) -> list[float]:
        return [self.nodes.drawn.log_odds(row) for row in rows]

    def counted(self) -> int:
        """Requests on record at the bureau."""
        return len(self.nodes.log.latest(100_000))

    def kept(self) -> int:
        """Scores in the bank's database."""
        with open_database(Home.open(self.home)).reading() as connection:
            return int(connection.execute(select(func.count()).select_from(scores)).scalar_one())

    def open(self) -> int:
        """Requests in the bank's database that came to no score."""
        with open_database(Home.open(self.home)).reading() as connection:
            return int(connection.execute(select(func.count()).select_from(open_requests)).scalar_one())


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Typed]:
    with OnlineNodes(tmp_path_factory.mktemp("nodes"), enterprises=300) as nodes:
        made = Typed(nodes)
        (made.home / CONFIG_FILE).write_text(BankSettings.sample(), encoding="utf-8")
        yield made


def test_a_score_is_printed_with_the_points_that_it_is_made_of(typed: Typed) -> None:
    rows, (enterprise,) = typed.take(1)
    (row,) = json.loads(typed.type("score", enterprise, "--explain"))
    assert row["enterprise_id"] == enterprise
    assert row["fault"] == ""
    assert sum(part["points"] for part in row["points_by_part"]) == row["score"]
    assert row["probability_of_default"] == pytest.approx(1 / (1 + 2.718281828459045 ** -typed.true(rows)[0]), abs=1e-6)


def test_ids_are_read_from_standard_input_so_that_nobody_sees_them(typed: Typed) -> None:
    _, ids = typed.take(3)
    said = typed.type("score", ids[0], "-", "wrong", said=f" {ids[1]}\n\n{ids[2]}\n", code=SOME_NOT_SCORED)
    rows = json.loads(said)
    assert [row["enterprise_id"] for row in rows] == [*ids, "wrong"]
    assert [bool(row["fault"]) for row in rows] == [False, False, False, True]


def test_a_portfolio_is_typed_and_written(typed: Typed, tmp_path: Path) -> None:
    rows, ids = typed.take(4)
    source, out = tmp_path / "ids.csv", tmp_path / "scores.parquet"
    source.write_text("name,enterprise_id\n" + "".join(f"某公司,{one}\n" for one in ids), encoding="gb18030")
    facts = json.loads(typed.type("portfolio", str(source), "--out", str(out)))
    assert (facts["rows"], facts["scored"], facts["faults"]) == (4, 4, [])
    assert pl.read_parquet(out)["log_odds_default"].to_list() == pytest.approx(typed.true(rows), abs=1e-12)


def test_a_portfolio_that_is_killed_goes_on_and_counts_nobody_twice(typed: Typed, tmp_path: Path) -> None:
    rows, ids = typed.take(200)
    source, out = tmp_path / "ids.csv", tmp_path / "scores.parquet"
    source.write_text("enterprise_id\n" + "\n".join(ids) + "\n", encoding="utf-8")
    kept, counted = typed.kept(), typed.counted()
    words = ["portfolio", str(source), "--out", str(out)]
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, *words, "--home", str(typed.home)])
    until = time.monotonic() + 60
    while typed.kept() < kept + HALF_WAY:
        assert time.monotonic() < until
        assert process.poll() is None, "the portfolio was over too soon"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not out.exists()
    assert (tmp_path / "scores.parquet.journal").exists()
    assert typed.kept() < kept + len(ids)
    facts = json.loads(typed.type(*words))
    assert facts["scored"] == len(ids)
    assert typed.counted() == counted + len(ids)
    assert (typed.kept(), typed.open()) == (kept + len(ids), 0)
    assert pl.read_parquet(out)["log_odds_default"].to_list() == pytest.approx(typed.true(rows), abs=1e-12)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ids.csv", "scores.parquet"]


def test_of_several_bureaus_the_one_of_the_settings_is_asked(typed: Typed, tmp_path: Path) -> None:
    other = BureauHome.create(
        tmp_path / "other",
        participant_id=ParticipantId("bureau-of-another-city"),
        role=Role.BUREAU,
        title="Bureau of another city",
        address="https://127.0.0.1:1",
    )
    home = Home.open(typed.home)
    home.pins.pin(other.hand_over(), fingerprint=other.identity().public.fingerprint())
    _, (enterprise,) = typed.take(1)
    assert json.loads(typed.type("score", enterprise))[0]["fault"] == ""
    with pytest.raises(PeerError, match="2 bureaus"):
        the_bureau(home)
    with pytest.raises(PeerError, match="no bureau nowhere"):
        the_bureau(home, ParticipantId("nowhere"))
