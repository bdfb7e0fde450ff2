"""A bank's way to a score while answers get lost, departments go down, and the bank itself is killed."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from coordinator.scores.gateway import GatewayService
from coordinator.scores.meters import GatewayMeters
from coordinator.scores.scoring import AsyncScoreGateway
from crypto.errors import PeerError, ProtocolStateError
from crypto.identifiers import EnterpriseId, ParticipantId, RequestId
from models.enterprise_id import InvalidEnterpriseId
from models.hosting.https import problems
from models.wire.online import ScoreRequest
from participants.bank.asking import SCORES_PATH, Asker
from participants.bank.client import AsyncBankClient
from participants.bank.consent_desk import ConsentDesk
from participants.bank.consents import ConsentBook
from participants.bank.database import open_database
from participants.bank.errors import AnsweredWithAnotherSet, BureauUnreachable, ScoreRefused
from participants.bank.explanation import Origin
from participants.bank.receipts import ReceiptStore
from participants.bank.score_request import ScoreClient
from participants.bank.score_store import ANSWERS_KEPT_SECONDS, ScoreStore
from participants.department.errors import ObfuscatorsExhausted
from simulations.local_log import PAGES
from simulations.online import OnlineFederation, served_model
from simulations.online_network import DepartmentNetwork, Faults, MemoryRecord, NodeTransport, bureau_node, peer_over
from simulations.online_rehearsal import OnlineRehearsal


class World:
    """A bank, a bureau and departments in this process, with faults on every line."""

    def __init__(self, rehearsal: OnlineRehearsal, online: OnlineFederation) -> None:
        self.rehearsal = rehearsal
        self.departments = rehearsal.drawn.departments
        self.network = DepartmentNetwork(online.scorers)
        self.fan_out = self.network.fan_out()
        self.home = rehearsal.home(rehearsal.bank)
        self.store = ScoreStore(open_database(self.home))
        self.store.give_up([one.digest for one in self.store.open()])
        self.named = RequestId(secrets.token_hex(16))
        self.record = MemoryRecord()
        self.bureau = Faults()
        gateway = AsyncScoreGateway([served_model(self.home, rehearsal.drawn.version)], self.fan_out, rehearsal.log)
        self.service = GatewayService(gateway, record=self.record, meters=GatewayMeters(CollectorRegistry()))
        self.slept: list[float] = []
        self.online = online
        self.consents = rehearsal.consents()
        self.receipts = ReceiptStore(open_database(self.home))

    def bank(self, *, patience_seconds: float = 30.0) -> AsyncBankClient:
        """The bank's client as a process that has just started makes it."""
        rehearsal = self.rehearsal
        client = ScoreClient(self.home, rehearsal.drawn.version, clock=rehearsal.clock)
        transport = NodeTransport(bureau_node(self.service, rehearsal.bank), self.bureau)
        bureau = peer_over(transport, rehearsal.bank)
        asker = Asker(
            client,
            self.store,
            bureau,
            consents=self.consents,
            receipts=self.receipts,
            clock=rehearsal.clock,
            patience_seconds=patience_seconds,
            sleep=self.sleep,
        )
        book = ConsentBook(self.home, open_database(self.home), PAGES)
        desk = ConsentDesk(self.home, book, self.receipts, bureau)
        return AsyncBankClient(asker, self.home, desk=desk)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.rehearsal.clock.seconds += seconds
        await asyncio.sleep(0)

    async def probe(self) -> None:
        await self.fan_out.probe.round(self.service.gateway.desk.models)

    def enterprise(self) -> tuple[int, EnterpriseId]:
        row = self.rehearsal.unused()
        return row, self.rehearsal.enterprise(row)

    def sent(self) -> list[bytes]:
        return self.bureau.asked.get(SCORES_PATH, [])

    def dry(self, department: ParticipantId, *, until_slept: int) -> list[bytes]:
        """Have a department answer probes and no request, as without obfuscators; return what reaches it."""
        scorer, reached = self.network.scorers[department], []
        handle = scorer.handle

        def without_obfuscators(data: bytes) -> bytes:
            reached.append(data)
            if len(self.slept) < until_slept:
                raise ObfuscatorsExhausted
            return handle(data)

        scorer.handle = without_obfuscators  # type: ignore[method-assign]
        return reached


@pytest.fixture
def world(rehearsal: OnlineRehearsal, online: OnlineFederation) -> World:
    return World(rehearsal, online)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - what is waited for happens in many places
        await asyncio.sleep(0.001)


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 30))


def test_a_score_is_asked_for_kept_and_explained(world: World) -> None:
    async def scenario() -> None:
        row, enterprise = world.enterprise()
        bank = world.bank()
        score = await bank.score(enterprise)
        assert score.log_odds_default == pytest.approx(world.rehearsal.drawn.log_odds(row), abs=1e-12)
        assert world.store.latest_score(enterprise, score.model_version) == score
        assert world.store.score(score.request_id) == score
        assert world.store.open() == []
        lines = (await bank.explain(score)).lines
        assert [line.origin for line in lines] == [Origin.INTERCEPT, Origin.OWN_FEATURE, Origin.DEPARTMENTS]
        assert sum(line.points for line in lines) == score.points
        assert sum(line.log_odds for line in lines) == pytest.approx(score.log_odds_default, abs=1e-12)
        assert lines[2].participants == score.departments

    run(scenario())


def test_an_explanation_has_a_line_for_each_missing_department(world: World) -> None:
    async def scenario() -> None:
        _, enterprise = world.enterprise()
        world.network.faults[world.departments[1]].down = True
        bank = world.bank()
        score = await bank.score(enterprise)
        assert score.missing == (world.departments[1],)
        lines = (await bank.explain(score)).lines
        last = lines[-1]
        assert (last.origin, last.participants) == (Origin.MISSING, score.missing)
        assert last.log_odds == world.rehearsal.drawn.means[1]
        assert sum(line.points for line in lines) == score.points

    run(scenario())


def test_a_lost_answer_is_asked_for_again_with_the_same_bytes(world: World) -> None:
    async def scenario() -> None:
        row, enterprise = world.enterprise()
        bank = world.bank()
        await bank.score(world.enterprise()[1])  # the offer is known now
        world.bureau.asked.clear()
        world.bureau.cut = 3  # one more than a peer tries by itself
        score = await bank.score(enterprise)
        assert score.log_odds_default == pytest.approx(world.rehearsal.drawn.log_odds(row), abs=1e-12)
        assert len(world.sent()) == 4
        assert len(set(world.sent())) == 1
        assert len(world.record.outcomes) == 2  # two requests were counted, however often they came

    run(scenario())


def test_a_killed_bank_comes_to_the_same_score_once(world: World) -> None:
    async def scenario() -> None:
        _, enterprise = world.enterprise()
        bank = world.bank()
        await bank.score(world.enterprise()[1])  # the offer is known now
        world.bureau.asked.clear()
        world.record.outcomes.clear()
        world.bureau.cut = 1_000
        task = asyncio.create_task(bank.score(enterprise))
        await until(lambda: any(world.record.outcomes.values()))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        (open_request,) = world.store.open()
        world.bureau.cut = 0
        (score,) = await world.bank().resume()
        assert score.request_id == open_request.statement.request_id
        assert set(world.sent()) == {open_request.request.encode()}
        assert len(world.record.outcomes) == 1
        assert (world.store.open(), await world.bank().resume()) == ([], [])
        assert world.store.latest_score(enterprise, score.model_version) == score

    run(scenario())


def test_a_department_that_goes_down_after_the_offer_is_left_out_of_the_next(world: World) -> None:
    async def scenario() -> None:
        row, enterprise = world.enterprise()
        bank = world.bank()
        await bank.score(world.enterprise()[1])
        world.fan_out.probe.lost(world.departments[0])
        score = await bank.score(enterprise)
        assert score.missing == (world.departments[0],)
        assert score.log_odds_default == pytest.approx(
            world.rehearsal.drawn.log_odds(row, world.departments[1:]), abs=1e-12
        )
        assert world.store.open() == []

    run(scenario())


def test_a_department_without_obfuscators_slows_a_score_down_and_costs_the_others_nothing(world: World) -> None:
    async def scenario() -> None:
        row, enterprise = world.enterprise()
        world.dry(world.departments[0], until_slept=9)
        before = world.rehearsal.clock.seconds
        score = await world.bank().score(enterprise)
        assert score.missing == ()
        assert score.log_odds_default == pytest.approx(world.rehearsal.drawn.log_odds(row), abs=1e-12)
        assert 8 < world.rehearsal.clock.seconds - before < 30
        assert len(world.sent()) == 10
        assert len(set(world.sent())) == len(world.record.outcomes) == 1
        assert world.store.open() == []

    run(scenario())


def test_a_department_that_stays_without_obfuscators_costs_the_patience(world: World) -> None:
    async def scenario() -> None:
        world.dry(world.departments[0], until_slept=1_000)
        began = world.rehearsal.clock.seconds
        with pytest.raises(ScoreRefused) as refused:
            await world.bank().score(world.enterprise()[1])
        assert refused.value.problem.kind is problems.DEPARTMENT_UNAVAILABLE
        assert 30 <= world.rehearsal.clock.seconds - began < 33
        (left,) = world.store.open()
        assert {left.request.encode()} == set(world.sent())

    run(scenario())


def test_an_enterprise_that_was_answered_with_another_set_keeps_its_score(world: World) -> None:
    async def scenario() -> None:
        _, enterprise = world.enterprise()
        bank = world.bank()
        earlier = await bank.score(enterprise)
        world.fan_out.probe.lost(world.departments[3])
        bank = world.bank()
        with pytest.raises(AnsweredWithAnotherSet) as refused:
            await bank.score(enterprise)
        assert refused.value.earlier == earlier
        assert refused.value.problem.kind is problems.REQUEST_CONFLICT
        assert enterprise not in str(refused.value)

    run(scenario())


def test_a_request_of_which_a_part_of_the_departments_knows_stays_open_until_all_are_back(world: World) -> None:
    async def scenario() -> None:
        row, enterprise = world.enterprise()
        bank = world.bank()
        await bank.score(world.enterprise()[1])
        world.network.faults[world.departments[2]].refuses = problems.NOT_READY
        with pytest.raises(AnsweredWithAnotherSet) as refused:
            await bank.score(enterprise)
        assert refused.value.earlier is None
        world.network.faults[world.departments[2]].refuses = None
        await world.probe()
        (score,) = await world.bank().resume()
        assert score.missing == ()
        assert score.log_odds_default == pytest.approx(world.rehearsal.drawn.log_odds(row), abs=1e-12)

    run(scenario())


def test_a_department_that_is_back_within_the_patience_completes_the_request_that_the_others_answered(
    world: World,
) -> None:
    async def scenario() -> None:
        row, enterprise = world.enterprise()
        bank = world.bank()
        await bank.score(world.enterprise()[1])
        world.record.outcomes.clear()
        world.network.faults[world.departments[2]].refuses = problems.NOT_READY
        asking = asyncio.create_task(bank.score(enterprise))
        await until(lambda: len(world.slept) >= 6)
        world.network.faults[world.departments[2]].refuses = None
        await world.probe()
        score = await asking
        assert score.missing == ()
        assert score.log_odds_default == pytest.approx(world.rehearsal.drawn.log_odds(row), abs=1e-12)
        assert sorted(world.record.outcomes.values()) == ["answered", problems.REQUEST_CONFLICT.slug]
        assert world.store.open() == []

    run(scenario())


async def unanswered(world: World, enterprise: EnterpriseId, *, down: bool) -> None:
    """A bank asks under a request id and is killed; `down`: before anybody has read its request."""
    bank = world.bank()
    await bank.score(world.enterprise()[1])  # the offer is known now
    world.bureau.asked.clear()
    world.record.outcomes.clear()
    world.bureau.down, world.bureau.cut = down, 1_000
    task = asyncio.create_task(bank.score(enterprise, request_id=world.named))
    await until(lambda: bool(world.slept) if down else "answered" in world.record.outcomes.values())
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    world.bureau.down, world.bureau.cut = False, 0
    assert len(world.store.open()) == 1


def test_a_request_that_was_answered_before_it_expired_is_counted_once(world: World) -> None:
    async def scenario() -> None:
        row, enterprise = world.enterprise()
        await unanswered(world, enterprise, down=False)
        (asked,) = world.store.open()
        world.rehearsal.clock.seconds = asked.statement.expires_at + ANSWERS_KEPT_SECONDS / 2
        score = await world.bank().score(enterprise, request_id=world.named)
        assert score.log_odds_default == pytest.approx(world.rehearsal.drawn.log_odds(row), abs=1e-12)
        assert set(world.sent()) == {asked.request.encode()}
        assert len(world.record.outcomes) == 1
        assert world.store.open() == []

    run(scenario())


@pytest.mark.parametrize("seconds", [ANSWERS_KEPT_SECONDS / 2, ANSWERS_KEPT_SECONDS + 1])
def test_a_request_that_expired_before_anybody_read_it_is_made_anew(world: World, seconds: float) -> None:
    async def scenario() -> None:
        row, enterprise = world.enterprise()
        await unanswered(world, enterprise, down=True)
        (asked,) = world.store.open()
        world.rehearsal.clock.seconds = asked.statement.expires_at + seconds
        score = await world.bank().score(enterprise, request_id=world.named)
        assert (score.request_id, score.missing) == (world.named, ())
        assert score.log_odds_default == pytest.approx(world.rehearsal.drawn.log_odds(row), abs=1e-12)
        assert list(world.record.outcomes.values()).count("answered") == 1
        assert world.store.open() == []

    run(scenario())


def test_two_who_ask_under_one_request_id_at_once_are_counted_once(world: World) -> None:
    async def scenario() -> None:
        _, enterprise = world.enterprise()
        banks = [world.bank(), world.bank()]
        scores = await asyncio.gather(*(bank.score(enterprise, request_id=world.named) for bank in banks * 2))
        assert len(set(scores)) == 1
        assert len(set(world.sent())) == len(world.record.outcomes) == 1

    run(scenario())


def test_one_open_request_that_comes_to_nothing_keeps_no_other_from_its_score(world: World) -> None:
    async def scenario() -> None:
        bank = world.bank()
        (_, settled), (_, refused), (_, fresh) = (world.enterprise() for _ in range(3))
        await bank.score(settled)
        await bank.score(refused)
        ask, now, gone = world.online.ask, world.rehearsal.clock.now(), world.departments[3]
        expired = ask(refused, world.rehearsal.offer())
        world.rehearsal.clock.seconds = expired.statement.expires_at + ANSWERS_KEPT_SECONDS / 2
        conflicting = ask(settled, world.rehearsal.offer(gone))
        answered = ask(fresh, world.rehearsal.offer())
        for asked in (conflicting, expired, answered):
            world.store.keep(asked, now=now)
        (score,) = await bank.resume()
        assert (score.request_id, score.enterprise_id) == (answered.statement.request_id, fresh)
        assert world.store.open() == []

    run(scenario())


def test_an_answer_that_cannot_be_opened_is_not_asked_for_again(world: World) -> None:
    async def scenario() -> None:
        row, enterprise = world.enterprise()
        bank = world.bank()
        await bank.score(world.enterprise()[1])
        world.bureau.change = lambda body: body[:-1] + bytes([body[-1] ^ 1])
        with pytest.raises(PeerError):
            await bank.score(enterprise, request_id=world.named)
        world.bureau.change = None
        score = await bank.score(enterprise, request_id=world.named)
        assert len(set(world.sent())) == 3
        assert score.log_odds_default == pytest.approx(world.rehearsal.drawn.log_odds(row), abs=1e-12)
        assert world.store.open() == []

    run(scenario())


def test_a_request_id_stands_for_one_score_of_one_enterprise(world: World) -> None:
    async def scenario() -> None:
        _, enterprise = world.enterprise()
        bank = world.bank()
        score = await bank.score(enterprise, request_id=world.named)
        sent = len(world.sent())
        assert score.request_id == world.named
        assert await world.bank().score(enterprise, request_id=world.named) == score
        assert len(world.sent()) == sent
        with pytest.raises(ProtocolStateError, match="another enterprise"):
            await bank.score(world.enterprise()[1], request_id=world.named)

    run(scenario())


def test_a_bureau_that_is_gone_costs_the_patience_and_is_named(world: World) -> None:
    async def scenario() -> None:
        world.bureau.down = True
        began = world.rehearsal.clock.seconds
        with pytest.raises(BureauUnreachable) as failed:
            await world.bank(patience_seconds=5).score(world.enterprise()[1])
        assert 5 <= world.rehearsal.clock.seconds - began < 8
        assert failed.value.advice
        assert max(world.slept) <= 2

    run(scenario())


@pytest.mark.parametrize("kind", [problems.TOO_MANY_REQUESTS, problems.NOT_READY, problems.INTERNAL])
def test_a_busy_bureau_is_asked_again(world: World, kind: problems.ProblemKind) -> None:
    async def scenario() -> None:
        world.bureau.refuses = kind
        bank = world.bank()
        task = asyncio.create_task(bank.score(world.enterprise()[1]))
        await until(lambda: len(world.slept) >= 3)
        world.bureau.refuses = None
        assert (await task).missing == ()

    run(scenario())


def test_what_is_refused_for_good_is_not_asked_again(world: World) -> None:
    async def scenario() -> None:
        bank = world.bank()
        await bank.score(world.enterprise()[1])
        world.bureau.refuses = problems.UNTRUSTED_KEY
        with pytest.raises(ScoreRefused) as refused:
            await bank.score(world.enterprise()[1])
        assert refused.value.problem.kind is problems.UNTRUSTED_KEY
        assert world.slept == []
        assert world.store.open() == []

    run(scenario())


def test_an_id_with_a_wrong_check_digit_never_leaves_the_bank(world: World) -> None:
    async def scenario() -> None:
        with pytest.raises(InvalidEnterpriseId):
            await world.bank().score("911100000000000000")
        assert world.bureau.asked == {}

    run(scenario())


def test_many_scores_come_in_the_order_of_their_ids_with_their_faults_in_place(world: World) -> None:
    async def scenario() -> None:
        rows, ids = zip(*(world.enterprise() for _ in range(12)), strict=True)
        seen: list[tuple[int, int]] = []
        results = await world.bank().score_many(
            [*ids[:6], "no id", *ids[6:]], progress=lambda done, total: seen.append((done, total))
        )
        assert isinstance(results.pop(6), InvalidEnterpriseId)
        found = [score.log_odds_default for score in results]  # type: ignore[union-attr]
        assert found == pytest.approx([world.rehearsal.drawn.log_odds(row) for row in rows], abs=1e-12)
        assert seen == [(done, 13) for done in range(1, 14)]

    run(scenario())


def test_no_request_on_record_at_the_bureau_names_an_enterprise(world: World) -> None:
    async def scenario() -> None:
        _, enterprise = world.enterprise()
        await world.bank().score(enterprise)
        for body in world.sent():
            assert enterprise.encode() not in body
            ScoreRequest.decode(body)

    run(scenario())


def test_scores_are_where_only_the_bank_reads_them(world: World) -> None:
    async def scenario() -> None:
        score = await world.bank().score(world.enterprise()[1])
        path = world.home.directory / "node.sqlite"
        assert path.stat().st_mode & 0o777 == 0o600
        with sqlite3.connect(path) as connection:
            query = "SELECT points FROM scores WHERE request_id = ?"
            assert connection.execute(query, (score.request_id,)).fetchone() == (score.points,)

    run(scenario())
