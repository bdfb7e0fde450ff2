"""The bureau's requests to all departments at once: what one that fails costs, and what it does not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from coordinator.errors import BadAnswer, DepartmentRefused, DepartmentUnavailable
from coordinator.scores.scoring import AsyncScoreGateway
from crypto.identifiers import ParticipantId
from models.hosting.https import problems
from models.wire.online import Offer, OfferRequest, ScoreAnswer, ScoreRequest
from participants.bank.score_request import Score
from simulations.online import OnlineFederation, served_model
from simulations.online_network import DepartmentNetwork
from simulations.online_rehearsal import OnlineRehearsal


class Bureau:
    """The gateway over a network of departments, and one request of a bank."""

    def __init__(self, rehearsal: OnlineRehearsal, online: OnlineFederation, *, deadline_seconds: float = 5.0) -> None:
        self.departments = rehearsal.drawn.departments
        self.online = online
        self.network = DepartmentNetwork(online.scorers)
        self.fan_out = self.network.fan_out(deadline_seconds=deadline_seconds)
        model = served_model(rehearsal.home(rehearsal.bank), rehearsal.drawn.version)
        self.gateway = AsyncScoreGateway([model], self.fan_out, rehearsal.log)
        self.offer_request = OfferRequest(model_version=rehearsal.drawn.version)
        self.row = rehearsal.unused()
        self.enterprise = rehearsal.enterprise(self.row)

    async def offer(self) -> Offer:
        return await self.gateway.offer(self.offer_request)

    async def request(self) -> ScoreRequest:
        self.open_request = self.online.ask(self.enterprise, await self.offer())
        return self.open_request.request

    def open(self, answer: ScoreAnswer) -> Score:
        return self.online.client.open(self.open_request, answer)

    async def score(self) -> ScoreAnswer:
        return await self.gateway.score(await self.request())

    def asked(self) -> list[int]:
        return [self.network.scores_asked_of(name) for name in self.departments]


@pytest.fixture
def bureau(rehearsal: OnlineRehearsal, online: OnlineFederation) -> Bureau:
    return Bureau(rehearsal, online)


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 20))


def test_a_score_comes_through_all_departments_with_their_serials(rehearsal: OnlineRehearsal, bureau: Bureau) -> None:
    async def scenario() -> None:
        offer = await bureau.offer()
        assert (offer.departments, offer.serials) == (bureau.departments, (1,) * 4)
        score = bureau.open(await bureau.score())
        assert score.log_odds_default == pytest.approx(rehearsal.drawn.log_odds(bureau.row), abs=1e-12)
        await bureau.fan_out.close()

    run(scenario())


def test_nobody_is_asked_when_one_went_down_after_the_offer(bureau: Bureau) -> None:
    async def scenario() -> None:
        request = await bureau.request()
        bureau.fan_out.probe.lost(bureau.departments[1])
        with pytest.raises(DepartmentUnavailable, match="department-02"):
            await bureau.gateway.score(request)
        assert bureau.asked() == [0, 0, 0, 0]

    run(scenario())


def test_one_that_breaks_off_is_named_at_once_and_out_of_the_next_offer(bureau: Bureau) -> None:
    async def scenario() -> None:
        request = await bureau.request()
        bureau.network.faults[bureau.departments[2]].down = True
        for name in bureau.departments[:2]:
            bureau.network.faults[name].hanging = True
        began = time.monotonic()
        with pytest.raises(DepartmentUnavailable, match="department-03"):
            await bureau.gateway.score(request)
        assert time.monotonic() - began < 1
        for name in bureau.departments[:2]:
            bureau.network.faults[name].hanging = False
        offer = await bureau.offer()
        assert offer.missing == (bureau.departments[2],)
        assert (bureau.departments[2], False) in bureau.network.changes

    run(scenario())


def test_one_that_hangs_costs_the_deadline_and_no_more(rehearsal: OnlineRehearsal, online: OnlineFederation) -> None:
    bureau = Bureau(rehearsal, online, deadline_seconds=0.3)

    async def scenario() -> None:
        request = await bureau.request()
        bureau.network.faults[bureau.departments[0]].hanging = True
        began = time.monotonic()
        with pytest.raises(DepartmentUnavailable, match="department-01"):
            await bureau.gateway.score(request)
        assert 0.25 < time.monotonic() - began < 1.5
        assert bureau.asked() == [1, 1, 1, 1]
        # The others' answers are kept: the same bytes come to a score when it is back.
        bureau.network.faults[bureau.departments[0]].hanging = False
        await bureau.fan_out.probe.round(bureau.gateway.desk.models)
        assert bureau.open(await bureau.gateway.score(request)).missing == ()

    run(scenario())


def test_one_that_keeps_a_bank_waiting_is_not_taken_from_the_next_offer(
    rehearsal: OnlineRehearsal, online: OnlineFederation
) -> None:
    bureau = Bureau(rehearsal, online, deadline_seconds=0.3)

    async def scenario() -> None:
        request = await bureau.request()
        faults = bureau.network.faults[bureau.departments[0]]
        faults.hanging = True
        with pytest.raises(DepartmentUnavailable, match="department-01"):
            await bureau.gateway.score(request)
        faults.hanging = False  # it answers probes: it was that bank's obfuscators that it waited for
        assert (await bureau.offer()).missing == ()
        faults.hanging = True
        bureau.fan_out.probe.doubt(bureau.departments[0])
        assert (await bureau.offer()).missing == (bureau.departments[0],)

    run(scenario())


def test_an_answer_that_was_lost_on_the_way_is_fetched_again(bureau: Bureau) -> None:
    async def scenario() -> None:
        request = await bureau.request()
        bureau.network.faults[bureau.departments[3]].cut = 1
        assert bureau.open(await bureau.gateway.score(request)).missing == ()
        assert bureau.asked() == [1, 1, 1, 2]

    run(scenario())


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (problems.REQUEST_CONFLICT, DepartmentRefused),
        (problems.REQUEST_EXPIRED, DepartmentRefused),
        (problems.NOT_READY, DepartmentUnavailable),
        (problems.TOO_MANY_REQUESTS, DepartmentUnavailable),
        (problems.SIGNATURE_INVALID, BadAnswer),
        (problems.CERTIFICATE_MISMATCH, BadAnswer),
        (problems.INTERNAL, BadAnswer),
    ],
)
def test_a_bank_hears_of_a_refusal_what_concerns_it(
    bureau: Bureau, said: problems.ProblemKind, told: type[Exception]
) -> None:
    async def scenario() -> None:
        request = await bureau.request()
        bureau.network.faults[bureau.departments[1]].refuses = said
        with pytest.raises(told, match="department-02") as refused:
            await bureau.gateway.score(request)
        problem = problems.problem_of(refused.value)
        assert problem.kind is said or told is not DepartmentRefused
        assert "department-02" in problem.detail

    run(scenario())


@pytest.mark.parametrize("said", [problems.UNTRUSTED_KEY, problems.MALFORMED])
def test_a_refusal_that_may_be_of_the_bureau_itself_is_told_as_such_and_found_out_before_the_next_offer(
    bureau: Bureau, said: problems.ProblemKind
) -> None:
    async def scenario() -> None:
        request = await bureau.request()
        refusing = bureau.departments[1]
        bureau.network.faults[refusing].refuses = said  # the guard refuses whatever the bureau sends
        with pytest.raises(DepartmentRefused, match="department-02") as refused:
            await bureau.gateway.score(request)
        problem = problems.problem_of(refused.value)
        assert problem.kind is said
        assert "the bureau's" in problem.detail
        assert (await bureau.offer()).missing == (refusing,)

    run(scenario())


def test_what_is_no_answer_is_none_and_names_its_sender(bureau: Bureau) -> None:
    async def scenario() -> None:
        request = await bureau.request()
        faults = bureau.network.faults[bureau.departments[2]]
        for change in (lambda _: b"", lambda body: body[:-1], lambda body: body + bytes(5000), lambda _: bytes(400)):
            faults.change = change
            with pytest.raises(BadAnswer, match="department-03"):
                await bureau.gateway.score(request)
        faults.change = None
        faults.media_type = "text/html"
        with pytest.raises(BadAnswer, match="department-03"):
            await bureau.gateway.score(request)

    run(scenario())


def test_answers_that_a_department_mixes_up_reach_nobody(
    rehearsal: OnlineRehearsal, online: OnlineFederation, bureau: Bureau
) -> None:
    one, other = rehearsal.drawn.banks
    with rehearsal.online(bank=other) as second:

        async def scenario() -> None:
            offer = await bureau.offer()
            asked = {
                one: online.ask(rehearsal.enterprise(rehearsal.unused()), offer),
                other: second.ask(rehearsal.enterprise(rehearsal.unused()), offer),
            }
            requests = {bank: made.request for bank, made in asked.items()}
            kept: dict[ParticipantId, bytes] = {}
            for bank, request in requests.items():
                await bureau.gateway.score(request)
                relay = bureau.gateway.desk.prepare(request)
                messages = relay.messages(await bureau.gateway.place(relay), rehearsal.log.extension_for)
                kept[bank] = online.scorers[bureau.departments[0]].handle(messages[bureau.departments[0]])
            faults = bureau.network.faults[bureau.departments[0]]
            for bank, swapped in ((one, kept[other]), (other, kept[one])):
                faults.change = lambda _, swapped=swapped: swapped
                with pytest.raises(BadAnswer, match="department-01 answered another request"):
                    await bureau.gateway.score(requests[bank])
            faults.change = None
            answers = await asyncio.gather(*(bureau.gateway.score(request) for request in requests.values()))
            assert online.client.open(asked[one], answers[0]).missing == ()
            assert second.client.open(asked[other], answers[1]).missing == ()

        run(scenario())
