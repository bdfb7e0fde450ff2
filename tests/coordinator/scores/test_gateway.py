"""The gateway's HTTP: who is answered, what is refused and how, what is written down and counted."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine, Mapping
from itertools import islice
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.types import ASGIApp, Receive, Scope, Send

from coordinator.errors import DepartmentUnavailable
from coordinator.scores.fair_queue import FairQueue
from coordinator.scores.gateway import OFFERS_AT_ONCE, GatewayService, gateway_app
from coordinator.scores.meters import GatewayMeters, Part
from coordinator.scores.scoring import AsyncScoreGateway, ServedModel, UnderWay
from crypto.identifiers import EnterpriseId, ParticipantId
from models.hosting.https.peer import MEDIA_TYPE
from models.hosting.https.problems import KINDS, REQUEST_CONFLICT
from models.hosting.https.problems import MEDIA_TYPE as PROBLEM
from models.wire.online import Offer, OfferRequest, ReceiptRequest, ScoreAnswer, ScoreRequest
from participants.bank.score_request import OpenRequest
from simulations.online import OnlineFederation, served_model
from simulations.online_network import DepartmentNetwork, MemoryRecord
from simulations.online_rehearsal import OnlineRehearsal

BODY = {"content-type": MEDIA_TYPE}
SCHEMA_PATHS = ("/v1/offers", "/v1/scores", "/v1/receipts")


class LetIn:
    """The guard's place: whoever it says has called."""

    def __init__(self, app: ASGIApp, caller: ParticipantId) -> None:
        self.app = app
        self.caller = caller

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["caller"] = self.caller
        await self.app(scope, receive, send)


class Bureau:
    def __init__(self, rehearsal: OnlineRehearsal, online: OnlineFederation, queue: FairQueue | None = None) -> None:
        self.rehearsal = rehearsal
        self.online = online
        self.network = DepartmentNetwork(online.scorers)
        self.record = MemoryRecord()
        self.registry = CollectorRegistry()
        model = served_model(rehearsal.home(rehearsal.bank), rehearsal.drawn.version)
        self.fan_out = self.network.fan_out()
        self.queue = queue or FairQueue()
        self.service = GatewayService(
            AsyncScoreGateway([model], self.fan_out, rehearsal.log),
            record=self.record,
            meters=GatewayMeters(self.registry),
            queue=self.queue,
        )
        self.app = gateway_app(self.service)

    def caller(self, name: ParticipantId | None = None) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(LetIn(self.app, name or self.rehearsal.bank))
        return httpx.AsyncClient(transport=transport, base_url="https://bureau.example", headers=BODY)

    async def offer(self) -> Offer:
        body = OfferRequest(model_version=self.rehearsal.drawn.version).encode()
        async with self.caller() as http:
            return Offer.decode((await http.post("/v1/offers", content=body)).content)

    async def ask(self, online: OnlineFederation | None = None) -> OpenRequest:
        enterprise = self.rehearsal.enterprise(self.rehearsal.unused())
        return (online or self.online).ask(enterprise, await self.offer())

    def value(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
def bureau(rehearsal: OnlineRehearsal, online: OnlineFederation) -> Bureau:
    return Bureau(rehearsal, online)


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 30))


def slug(response: httpx.Response) -> str:
    assert response.headers["content-type"] == PROBLEM
    return str(response.json()["type"]).removeprefix("urn:yurong:problem:")


def test_a_score_is_answered_written_down_once_and_measured_by_part(bureau: Bureau) -> None:
    async def scenario() -> None:
        asked = await bureau.ask()
        async with bureau.caller() as http:
            answers = [await http.post("/v1/scores", content=asked.request.encode()) for _ in range(3)]
        assert {answer.content for answer in answers} == {answers[0].content}
        assert answers[0].headers["content-type"] == MEDIA_TYPE
        assert bureau.online.client.open(asked, ScoreAnswer.decode(answers[0].content)).missing == ()
        await bureau.service.close()
        assert bureau.record.outcomes == {asked.digest: "answered"}
        for part in Part:
            assert bureau.value("yurong_gateway_seconds_count", part=part) == 3

    run(scenario())


def test_only_the_bank_that_signed_a_request_may_send_it(bureau: Bureau) -> None:
    async def scenario() -> None:
        asked = await bureau.ask()
        async with bureau.caller(bureau.rehearsal.drawn.banks[1]) as other:
            response = await other.post("/v1/scores", content=asked.request.encode())
            assert (response.status_code, slug(response)) == (403, "forbidden")
        async with bureau.caller(ParticipantId("a-bank-of-no-model")) as stranger:
            offer = OfferRequest(model_version=bureau.rehearsal.drawn.version).encode()
            for path, body in (("/v1/offers", offer), ("/v1/scores", asked.request.encode())):
                response = await stranger.post(path, content=body)
                assert (response.status_code, slug(response)) == (403, "forbidden")
        assert bureau.record.outcomes == {}

    run(scenario())


@pytest.mark.parametrize(
    ("path", "body", "headers", "refused"),
    [
        ("/v1/scores", b"", BODY, "malformed"),
        ("/v1/scores", b"\xc1" * 50, BODY, "malformed"),
        ("/v1/scores", bytes(ScoreRequest.MAXIMUM_BYTES + 1), BODY, "body-too-large"),
        ("/v1/scores", b"{}", {"content-type": "application/json"}, "unsupported-media-type"),
        ("/v1/offers", OfferRequest(model_version="0" * 32).encode(), BODY, "unknown-model"),
        ("/v2/scores", b"", BODY, "not-found"),
    ],
)
def test_what_is_no_request_is_refused_with_its_problem(
    bureau: Bureau, path: str, body: bytes, headers: dict[str, str], refused: str
) -> None:
    async def scenario() -> None:
        async with bureau.caller() as http:
            response = await http.post(path, content=body, headers=headers)
        assert slug(response) == refused
        assert bureau.network.scores_asked_of(bureau.rehearsal.drawn.departments[0]) == 0

    run(scenario())


def test_a_failed_request_is_written_down_with_its_problem_which_names_who_failed(bureau: Bureau) -> None:
    async def scenario() -> None:
        asked = await bureau.ask()
        bureau.fan_out.probe.lost(bureau.rehearsal.drawn.departments[1])
        async with bureau.caller() as http:
            response = await http.post("/v1/scores", content=asked.request.encode())
        assert (response.status_code, slug(response)) == (503, "department-unavailable")
        assert "department-02" in response.json()["detail"]
        assert int(response.headers["retry-after"]) >= 1
        await bureau.service.close()
        assert bureau.record.outcomes == {asked.digest: "department-unavailable"}

    run(scenario())


def test_a_full_line_is_told_to_come_again(rehearsal: OnlineRehearsal, online: OnlineFederation) -> None:
    bureau = Bureau(rehearsal, online, FairQueue(in_flight=1, waiting_per_bank=1))

    async def scenario() -> None:
        asked = [await bureau.ask() for _ in range(3)]
        for faults in bureau.network.faults.values():
            faults.hanging = True
        async with bureau.caller() as http:
            tasks = [asyncio.create_task(http.post("/v1/scores", content=one.request.encode())) for one in asked]
            done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            response = done.pop().result()
            assert (response.status_code, slug(response)) == (429, "too-many-requests")
            assert int(response.headers["retry-after"]) >= 1
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    run(scenario())


def test_a_bank_whose_requests_one_department_refuses_has_no_more_of_them_at_the_others_than_its_turns(
    rehearsal: OnlineRehearsal, online: OnlineFederation, monkeypatch: pytest.MonkeyPatch
) -> None:
    bureau = Bureau(rehearsal, online, FairQueue(in_flight=2))
    refusing, slow = rehearsal.drawn.departments[:2]

    async def scenario() -> None:
        asked = [await bureau.ask() for _ in range(6)]
        monkeypatch.setattr(bureau.fan_out.probe, "_monotonic", lambda: 0.0)  # nobody is probed again
        bureau.network.faults[refusing].refuses = REQUEST_CONFLICT
        bureau.network.faults[slow].hanging = True
        async with bureau.caller() as http:
            tasks = [asyncio.create_task(http.post("/v1/scores", content=one.request.encode())) for one in asked]
            for refused in islice(asyncio.as_completed(tasks), 2):
                await refused
            done, waiting = await asyncio.wait(tasks, timeout=0.3)
            # A bank hears at once of what was refused. Without the turns being kept, all would wait at the slow one.
            assert {slug(task.result()) for task in done} == {"request-conflict"}
            assert len(done) == bureau.network.scores_asked_of(slow) == 2
            assert bureau.queue.in_flight == 2
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    run(scenario())


def test_a_turn_ends_even_if_the_last_department_is_done_in_the_very_moment_of_the_refusal(bureau: Bureau) -> None:
    class Refuses:
        async def up(self, model: ServedModel) -> dict[ParticipantId, int]:
            return dict.fromkeys(model.departments, 1)

        async def relay(self, _: Mapping[ParticipantId, bytes], under_way: UnderWay | None = None) -> dict[Any, bytes]:
            assert under_way is not None
            task = asyncio.create_task(asyncio.sleep(0, b""))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            while not task.done():  # noqa: ASYNC110 - the very next turn of the loop is meant
                await asyncio.sleep(0)
            raise DepartmentUnavailable({})

    async def scenario() -> None:
        faults: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context["exception"]))
        asked = await bureau.ask()
        bureau.service.gateway._carrier = Refuses()
        with pytest.raises(DepartmentUnavailable):
            await bureau.service.score(bureau.rehearsal.bank, asked.request.encode())
        await bureau.service.close()
        gc.collect()
        assert faults == []
        assert bureau.queue.in_flight == 0

    run(scenario())


def test_a_bank_that_does_not_wait_for_its_offers_is_told_to_and_another_is_not(bureau: Bureau) -> None:
    async def scenario() -> None:
        for faults in bureau.network.faults.values():
            faults.hanging = True
        body = OfferRequest(model_version=bureau.rehearsal.drawn.version).encode()
        async with bureau.caller() as http, bureau.caller(bureau.rehearsal.drawn.banks[1]) as other:
            tasks = [asyncio.create_task(http.post("/v1/offers", content=body)) for _ in range(OFFERS_AT_ONCE + 1)]
            done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            (refused,) = (task.result() for task in done)
            assert (refused.status_code, slug(refused)) == (429, "too-many-requests")
            assert int(refused.headers["retry-after"]) >= 1
            for faults in bureau.network.faults.values():
                faults.hanging = False
            assert slug(await other.post("/v1/offers", content=body)) == "too-few-departments"  # those that hang
            for task in waiting:
                assert slug(await task) == "too-few-departments"
            assert slug(await http.post("/v1/offers", content=body)) == "too-few-departments"

    run(scenario())


def test_two_banks_at_once_each_get_their_own(rehearsal: OnlineRehearsal, online: OnlineFederation) -> None:
    bureau = Bureau(rehearsal, online, FairQueue(in_flight=4))
    with rehearsal.online(bank=rehearsal.drawn.banks[1]) as second:

        async def scenario() -> None:
            banks = {rehearsal.drawn.banks[0]: online, rehearsal.drawn.banks[1]: second}
            asked = [(bank, await bureau.ask(federation)) for bank, federation in list(banks.items()) * 5]

            async def send(bank: ParticipantId, one: OpenRequest) -> float:
                async with bureau.caller(bank) as http:
                    response = await http.post("/v1/scores", content=one.request.encode())
                return banks[bank].client.open(one, ScoreAnswer.decode(response.content)).log_odds_default

            found = await asyncio.gather(*(send(bank, one) for bank, one in asked))
            rows = [rehearsal.drawn.enterprise_ids.index(EnterpriseId(one.enterprise_id)) for _, one in asked]
            assert found == pytest.approx([rehearsal.drawn.log_odds(row) for row in rows], abs=1e-12)
            assert len(set(found)) == 10

        run(scenario())


def test_schemathesis_finds_no_request_that_fails_the_gateway(bureau: Bureau) -> None:
    requests: list[bytes] = []

    async def prepare() -> None:
        asked = await bureau.ask()
        requests.append(asked.request.encode())
        async with bureau.caller() as http:
            await http.post("/v1/scores", content=asked.request.encode())
        requests.append(ReceiptRequest(request=asked.digest).encode())
        requests.append(OfferRequest(model_version=bureau.rehearsal.drawn.version).encode())

    run(prepare())
    mutated = st.tuples(st.sampled_from(requests), st.integers(0, 3000), st.integers(0, 255)).map(
        lambda drawn: (
            drawn[0][: drawn[1] % len(drawn[0])] + bytes([drawn[2]]) + drawn[0][drawn[1] % len(drawn[0]) + 1 :]
        )
    )
    schemathesis.openapi.media_type(MEDIA_TYPE, st.one_of(st.binary(max_size=400), mutated, st.sampled_from(requests)))
    schema = schemathesis.openapi.from_asgi("/openapi.json", LetIn(bureau.app, bureau.rehearsal.bank))
    seen: dict[str, set[int]] = {}

    for found in schema.get_all_operations():
        assert isinstance(found, Ok)

        @given(case=found.ok().as_strategy())
        @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
        def each(case: Any) -> None:
            # Bytes of the right length that are no message of ours are refused, as they should be.
            response = case.call_and_validate(excluded_checks=[positive_data_acceptance])
            seen.setdefault(case.path, set()).add(response.status_code)

        each()
    assert seen.keys() == set(SCHEMA_PATHS)
    assert all(statuses >= {200, 400} for statuses in seen.values())


def test_openapi_describes_all_operations_with_all_their_problems(bureau: Bureau) -> None:
    paths = bureau.app.openapi()["paths"]
    assert paths.keys() == set(SCHEMA_PATHS)
    statuses = {str(kind.status) for kind in KINDS.values()}
    for path in SCHEMA_PATHS:
        operation = paths[path]["post"]
        assert list(operation["requestBody"]["content"]) == [MEDIA_TYPE]
        assert set(operation["responses"]) == statuses | {"200"}
