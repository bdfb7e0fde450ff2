"""Scores over TLS, with signatures, guards and databases: a bureau and three departments on the loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from crypto.errors import PeerError, ProtectionUnavailable
from crypto.identifiers import EnterpriseId, ParticipantId, RequestId, Role
from participants.bank.client import AsyncBankClient, BankClient, the_bureau, the_only_model
from participants.bank.errors import BureauUnreachable, ScoreFailed
from participants.bank.explanation import Origin
from participants.bank.portfolio import score_portfolio
from participants.bank.score_request import Score
from participants.home import Home
from simulations.founding import BUREAU
from simulations.online_nodes import OnlineNodes


class Rows:
    """Rows of enterprises that no test has asked about."""

    def __init__(self, nodes: OnlineNodes) -> None:
        self.nodes = nodes
        self.next = 0

    def take(self, count: int) -> tuple[list[int], list[EnterpriseId]]:
        rows = list(range(self.next, self.next + count))
        self.next += count
        return rows, [self.nodes.enterprise(row) for row in rows]

    def true(self, rows: list[int], departments: tuple[ParticipantId, ...] | None = None) -> list[float]:
        return [self.nodes.drawn.log_odds(row, departments) for row in rows]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnlineNodes]:
    with OnlineNodes(tmp_path_factory.mktemp("nodes"), departments=4) as made:
        yield made


@pytest.fixture(scope="module")
def rows(nodes: OnlineNodes) -> Rows:
    return Rows(nodes)


@pytest.fixture(scope="module")
def homes(nodes: OnlineNodes) -> list[Path]:
    return [nodes.drawn.homes[bank] for bank in nodes.drawn.banks]


def log_odds(results: list[Score | Exception]) -> list[float]:
    return [result.log_odds_default for result in results if isinstance(result, Score)]


def test_a_score_in_three_lines(rows: Rows, homes: list[Path]) -> None:
    (row,), (enterprise,) = rows.take(1)
    with BankClient.open(homes[0]) as bank:
        score = bank.score(enterprise)
        explanation = bank.explain(score)
    assert score.log_odds_default == pytest.approx(rows.true([row])[0], abs=1e-12)
    assert sum(line.points for line in explanation.lines) == score.points
    assert [line.origin for line in explanation.lines] == [Origin.INTERCEPT, Origin.OWN_FEATURE, Origin.DEPARTMENTS]


def test_two_banks_at_once_each_read_their_own(rows: Rows, homes: list[Path]) -> None:
    numbers, ids = rows.take(12)

    def ask(home: Path) -> list[float]:
        with BankClient.open(home) as bank:
            return log_odds(list(bank.score_many(ids)))

    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(ask, homes))
    for scores in found:
        assert scores == pytest.approx(rows.true(numbers), abs=1e-12)


def test_a_request_is_on_the_bureau_s_record_once_and_about_nobody(
    nodes: OnlineNodes, rows: Rows, homes: list[Path]
) -> None:
    _, (enterprise,) = rows.take(1)
    before = len(nodes.log.latest(1000))
    request_id = RequestId("ab" * 16)
    with BankClient.open(homes[0]) as bank:
        scores = {bank.score(enterprise, request_id=request_id) for _ in range(3)}
    assert len(scores) == 1
    assert len(nodes.log.latest(1000)) == before + 1
    assert enterprise.encode() not in (nodes.bureau.directory / "node.sqlite").read_bytes()


def test_a_department_that_stops_is_missing_and_comes_back(nodes: OnlineNodes, rows: Rows, homes: list[Path]) -> None:
    numbers, ids = rows.take(2)
    gone, *rest = nodes.drawn.departments
    with BankClient.open(homes[0]) as bank:
        nodes.stop(gone)
        nodes.wait_until_up(*rest)
        score = bank.score(ids[0])
        assert score.missing == (gone,)
        assert score.log_odds_default == pytest.approx(rows.true(numbers[:1], tuple(rest))[0], abs=1e-12)
        assert sum(line.points for line in bank.explain(score).lines) == score.points
        nodes.start(gone)
        nodes.wait_until_up(*nodes.drawn.departments)
        assert bank.score(ids[1]).missing == ()


def test_a_bureau_that_restarts_costs_time_and_no_score(nodes: OnlineNodes, rows: Rows, homes: list[Path]) -> None:
    numbers, ids = rows.take(3)
    with BankClient.open(homes[0]) as bank, ThreadPoolExecutor(1) as threads:
        found = [bank.score(ids[0])]
        nodes.stop(BUREAU)
        waiting = threads.submit(bank.score, ids[1])
        with pytest.raises(BureauUnreachable), BankClient.open(homes[1], patience_seconds=0.2) as other:
            other.score(ids[1])
        nodes.start(BUREAU)
        nodes.wait_until_up(*nodes.drawn.departments)
        found += [waiting.result(20), bank.score(ids[2])]
    assert [score.log_odds_default for score in found] == pytest.approx(rows.true(numbers), abs=1e-12)


def test_an_event_loop_asks_many_at_once(rows: Rows, homes: list[Path]) -> None:
    numbers, ids = rows.take(10)

    async def ask() -> list[Score]:
        async with await AsyncBankClient.open(homes[0], at_once=8) as bank:
            return list(await asyncio.gather(*(bank.score(one) for one in ids)))

    assert [score.log_odds_default for score in asyncio.run(ask())] == pytest.approx(rows.true(numbers), abs=1e-12)


def test_a_portfolio_goes_through_the_client(rows: Rows, homes: list[Path], tmp_path: Path) -> None:
    _, ids = rows.take(5)
    source = tmp_path / "ids.csv"
    source.write_text("enterprise_id\n" + "\n".join(ids) + "\n")
    with BankClient.open(homes[0]) as bank:
        assert score_portfolio(bank, source, tmp_path / "scores.parquet").scored == 5


def test_keys_are_rotated_while_scores_are_asked_for(nodes: OnlineNodes, rows: Rows, homes: list[Path]) -> None:
    numbers, ids = rows.take(4)
    department = nodes.home(nodes.drawn.departments[1])
    others = [*(nodes.home(name) for name in nodes.drawn.homes if name != department.participant_id), nodes.bureau]
    with BankClient.open(homes[0]) as bank:
        found = [bank.score(ids[0])]
        handed = department.prepare_rotation({"identity", "tls"})
        for other in others:
            other.pins.pin(handed)
        found.append(bank.score(ids[1]))
        department.finish_rotation()
        found.append(bank.score(ids[2]))
        nodes.stop(department.participant_id)
        nodes.start(department.participant_id)
        nodes.wait_until_up(*nodes.drawn.departments)
        found.append(bank.score(ids[3]))
    assert [score.missing for score in found] == [()] * 4
    assert [score.log_odds_default for score in found] == pytest.approx(rows.true(numbers), abs=1e-12)


def test_a_bank_that_the_bureau_does_not_know_is_refused(nodes: OnlineNodes, rows: Rows, tmp_path: Path) -> None:
    """Another bank's home with an identity and a certificate of its own: all that the bureau could mistake it for."""
    model = nodes.home(nodes.drawn.banks[0])
    stranger = Home.create(
        tmp_path / "stranger",
        participant_id=nodes.drawn.banks[0],
        role=Role.BANK,
        title="Bank",
        address="https://127.0.0.1:1",
    )
    bureau = nodes.bureau
    stranger.pins.pin(bureau.hand_over(), fingerprint=bureau.identity().public.fingerprint())
    assert the_bureau(stranger) == BUREAU
    # It has the model's files, and so all but the keys.
    for folder in ("models", "data", "runs"):
        (stranger.directory / folder).rename(stranger.directory / f"own-{folder}")
        (stranger.directory / folder).symlink_to(model.directory / folder)
    before = len(nodes.log.latest(1000))
    with pytest.raises((ScoreFailed, PeerError)), BankClient.open(stranger.directory, patience_seconds=0.5) as bank:
        bank.score(rows.take(1)[1][0])
    assert len(nodes.log.latest(1000)) == before


def test_a_home_without_a_model_or_a_bureau_says_so(tmp_path: Path) -> None:
    home = Home.create(tmp_path / "bank", participant_id=ParticipantId("bank"), role=Role.BANK, title="Bank")
    with pytest.raises(ProtectionUnavailable, match="no models"):
        the_only_model(home)
    with pytest.raises(PeerError, match="no bureaus"):
        the_bureau(home)
    with pytest.raises(ProtectionUnavailable):
        BankClient.open(tmp_path / "bank")
