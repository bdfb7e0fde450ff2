"""A department's service: who may ask, what it answers, and that nothing that arrives makes it fail."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from crypto.errors import ProtectionUnavailable
from crypto.identifiers import ParticipantId
from crypto.paillier import Obfuscator, PaillierPublicKey
from models.hosting.https import problems
from models.hosting.https.guard import CALLER
from models.hosting.https.peer import MEDIA_TYPE
from models.wire.online import DepartmentAnswer, ReadyReply, ReadyRequest, RelayedRequest
from participants.department.database import open_database
from participants.department.log_service import LogService
from participants.department.meters import ScorerMeters
from participants.department.scorer import Scorer
from participants.department.service import PARTIAL_SCORES_PATH, PATHS, READY_PATH, DepartmentService, department_app
from participants.home import Home
from simulations.adversaries.online import opened, restated
from simulations.local_log import EVIDENCE
from simulations.online import OnlineFederation
from simulations.online_rehearsal import OnlineRehearsal

BUREAU = ParticipantId("bureau")


class Behind:
    """Stands where the guard stands."""

    def __init__(self, app: ASGIApp, caller: str | None) -> None:
        self._app, self._caller = app, caller

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._caller is not None:
            scope.setdefault("state", {})[CALLER] = self._caller
        await self._app(scope, receive, send)


class Rig:
    def __init__(self, scorer: Scorer, home: Home) -> None:
        self.registry = CollectorRegistry()
        meters = ScorerMeters(self.registry, scorer.obfuscators.levels)
        self.service = DepartmentService(scorer, bureau=BUREAU, meters=meters)
        log = LogService(scorer.evidence, open_database(home), me=home.participant_id, bureau=BUREAU, clock=home.clock)
        self.app = department_app(self.service, log)

    def client(self, caller: str | None = BUREAU) -> TestClient:
        return TestClient(Behind(self.app, caller), raise_server_exceptions=False)

    def metrics(self) -> str:
        return generate_latest(self.registry).decode()


@pytest.fixture
def department(rehearsal: OnlineRehearsal) -> ParticipantId:
    return rehearsal.drawn.departments[2]


@pytest.fixture
def rig(rehearsal: OnlineRehearsal, online: OnlineFederation, department: ParticipantId) -> Iterator[Rig]:
    made = Rig(online.scorers[department], rehearsal.home(department))
    yield made
    made.service.close()


@pytest.fixture
def asked(rehearsal: OnlineRehearsal, online: OnlineFederation, department: ParticipantId) -> RelayedRequest:
    enterprise = rehearsal.enterprise(rehearsal.unused())
    return rehearsal.relayed(online.ask(enterprise, rehearsal.offer()).request, department)


def post(client: TestClient, path: str, data: bytes, media_type: str = MEDIA_TYPE) -> tuple[int, str, bytes]:
    response = client.post(path, content=data, headers={"content-type": media_type})
    return response.status_code, response.headers["content-type"], response.content


def test_the_bureau_gets_an_answer_and_the_same_one_again(
    rehearsal: OnlineRehearsal, rig: Rig, asked: RelayedRequest
) -> None:
    client = rig.client()
    status, media_type, body = post(client, PARTIAL_SCORES_PATH, asked.encode())
    assert (status, media_type) == (200, MEDIA_TYPE)
    assert 0 <= opened(DepartmentAnswer.decode(body), rehearsal.key) < 1 << 64
    assert post(client, PARTIAL_SCORES_PATH, asked.encode()) == (200, MEDIA_TYPE, body)
    metrics = rig.metrics()
    assert 'yurong_partial_scores_total{outcome="answered"} 2.0' in metrics
    assert 'yurong_partial_score_seconds_count{part="answer"} 1.0' in metrics
    assert f'yurong_obfuscator_pool_level{{bank="{rehearsal.bank}"}}' in metrics


@pytest.mark.parametrize(
    ("caller", "kind"),
    [
        ("bank-01", problems.FORBIDDEN),
        ("department-01", problems.FORBIDDEN),
        ("another-bureau", problems.FORBIDDEN),
        (None, problems.CERTIFICATE_MISMATCH),
    ],
)
def test_nobody_but_the_pinned_bureau_is_answered(
    rig: Rig, asked: RelayedRequest, caller: str | None, kind: problems.ProblemKind
) -> None:
    for path, data in ((PARTIAL_SCORES_PATH, asked.encode()), (READY_PATH, ReadyRequest(model_version="0").encode())):
        status, media_type, body = post(rig.client(caller), path, data)
        assert (status, media_type) == (kind.status, problems.MEDIA_TYPE)
        assert problems.Problem.from_json(body).kind is kind


def test_every_refusal_is_its_problem_and_says_nothing_of_the_request(
    rehearsal: OnlineRehearsal, online: OnlineFederation, rig: Rig, asked: RelayedRequest
) -> None:
    identity = rehearsal.home(rehearsal.bank).identity()

    def stated(**changes: object) -> bytes:
        return replace(asked, document=restated(asked.document, identity, **changes)).encode()

    cases = [
        (b"", problems.MALFORMED),
        (asked.encode() + b"\0", problems.MALFORMED),
        (bytes(RelayedRequest.MAXIMUM_BYTES + 1), problems.BODY_TOO_LARGE),
        (stated(model_version="0" * 32), problems.UNKNOWN_MODEL),
        (stated(bank=rehearsal.drawn.banks[1]), problems.SIGNATURE_INVALID),
        (stated(bank="bank-09"), problems.UNTRUSTED_KEY),
        (stated(bank_serial=2), problems.KEY_NOT_IN_FORCE),
        (stated(serials=(1, 2, 1, 1)), problems.KEY_NOT_IN_FORCE),
        (stated(key_fingerprint=bytes(32)), problems.KEY_NOT_IN_FORCE),
        (stated(expires_at=1), problems.REQUEST_EXPIRED),
        (stated(bits=3, serials=(1, 1)), problems.TOO_FEW_DEPARTMENTS),
        (replace(asked, box=asked.box[::-1]).encode(), problems.REQUEST_REFUSED),
    ]
    client = rig.client()
    for data, kind in cases:
        status, media_type, body = post(client, PARTIAL_SCORES_PATH, data)
        problem = problems.Problem.from_json(body)
        assert (problem.kind.slug, problem.detail) == (kind.slug, "")
        assert (status, media_type) == (kind.status, problems.MEDIA_TYPE)
        assert f'yurong_partial_scores_total{{outcome="{kind.slug}"}}' in rig.metrics() or kind.status in (413, 415)
    online.score(enterprise := rehearsal.enterprise(rehearsal.unused()))
    fewer = rehearsal.offer(rehearsal.drawn.departments[0])
    another = rehearsal.relayed(online.ask(enterprise, fewer).request, rehearsal.drawn.departments[2])
    body = post(client, PARTIAL_SCORES_PATH, another.encode())[2]
    assert problems.Problem.from_json(body).kind is problems.REQUEST_CONFLICT
    body = post(client, PARTIAL_SCORES_PATH, asked.encode(), "application/json")[2]
    assert problems.Problem.from_json(body).kind is problems.UNSUPPORTED_MEDIA_TYPE
    for response in (client.get(PARTIAL_SCORES_PATH), client.post("/v1/other")):
        assert problems.Problem.from_json(response.content).kind in (problems.METHOD_NOT_ALLOWED, problems.NOT_FOUND)


def test_it_says_under_which_serial_it_answers_for_which_models(
    rehearsal: OnlineRehearsal, rig: Rig, department: ParticipantId
) -> None:
    def ready(version: str) -> ReadyReply:
        status, _, body = post(rig.client(), READY_PATH, ReadyRequest(model_version=version).encode())
        assert status == 200
        return ReadyReply.decode(body)

    serial = rehearsal.home(department).serial
    rehearsal.fill()
    assert ready(rehearsal.drawn.version) == ReadyReply(serial=serial, ready=True)
    for version in ("0" * 32, "../../etc/passwd"):
        assert ready(version) == ReadyReply(serial=serial, ready=False)
    assert rig.service.checks()["models"]()


class GatedPool:
    """Gives nothing until it is let."""

    def __init__(self, rehearsal: OnlineRehearsal, key: PaillierPublicKey) -> None:
        self._pool, self.open = rehearsal.pool(key), threading.Event()

    def __len__(self) -> int:
        return 0

    def take(self, *, timeout_seconds: float) -> Obfuscator:
        assert timeout_seconds == 0  # nobody waits in a thread
        if not self.open.is_set():
            raise ProtectionUnavailable("no obfuscator is ready")
        return self._pool.take()

    def stop(self) -> None:
        pass


def test_requests_that_wait_for_an_obfuscator_hold_up_nobody_else_and_are_answered(
    rehearsal: OnlineRehearsal, online: OnlineFederation, department: ParticipantId
) -> None:
    pools: dict[PaillierPublicKey, GatedPool] = {}

    def new_pool(key: PaillierPublicKey) -> GatedPool:
        return pools.setdefault(key, GatedPool(rehearsal, key))

    async def still_there() -> bool:
        return False

    async def gone() -> bool:
        return True

    def request(federation: OnlineFederation) -> bytes:
        enterprise = rehearsal.enterprise(rehearsal.unused())
        made = federation.ask(enterprise, rehearsal.offer()).request
        return rehearsal.relayed(made, department).encode()

    async def run(other: OnlineFederation, scorer: Scorer) -> None:
        service = Rig(scorer, rehearsal.home(department)).service
        waiting = [asyncio.create_task(service.partial_score(BUREAU, request(online), still_there)) for _ in range(5)]
        await asyncio.sleep(0.05)
        with pytest.raises(ProtectionUnavailable):
            await service.partial_score(BUREAU, request(online), gone)
        new_pool(rehearsal.keys[other.bank].public).open.set()
        DepartmentAnswer.decode(await service.partial_score(BUREAU, request(other), still_there))
        assert not any(task.done() for task in waiting)
        new_pool(rehearsal.key.public).open.set()
        assert len({DepartmentAnswer.decode(data).ciphertext for data in await asyncio.gather(*waiting)}) == 5
        service.close()

    with (
        rehearsal.online(bank=rehearsal.drawn.banks[1]) as other,
        Scorer(rehearsal.home(department), clock=rehearsal.clock, evidence=EVIDENCE, new_pool=new_pool) as scorer,
    ):
        asyncio.run(run(other, scorer))


def test_openapi_describes_all_operations_and_all_their_problems(rig: Rig) -> None:
    described = rig.client().get("/openapi.json").json()
    assert set(described["paths"]) == set(PATHS)
    for path in PATHS:
        operation = described["paths"][path]["post"]
        assert list(operation["requestBody"]["content"]) == [MEDIA_TYPE]
        statuses = {str(kind.status) for kind in problems.KINDS.values()}
        assert set(operation["responses"]) == statuses | {"200"}
    assert "enterprise" not in json.dumps(described["paths"][PARTIAL_SCORES_PATH]["post"]["requestBody"])


def test_schemathesis_finds_no_request_that_makes_it_fail(rig: Rig, asked: RelayedRequest) -> None:
    good = asked.encode()
    mutated = st.tuples(st.integers(0, len(good) - 1), st.integers(1, 255)).map(
        lambda change: good[: change[0]] + bytes([good[change[0]] ^ change[1]]) + good[change[0] + 1 :]
    )
    schemathesis.openapi.media_type(MEDIA_TYPE, st.one_of(st.binary(max_size=400), mutated, st.just(good)))
    schema = schemathesis.openapi.from_asgi("/openapi.json", Behind(rig.app, BUREAU))
    seen = set()

    for path in PATHS:

        @given(case=schema[path]["POST"].as_strategy())
        @settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
        def each(case: schemathesis.Case[Any]) -> None:
            # Bytes of the right length that are no message of ours are refused, as they should be.
            response = case.call_and_validate(excluded_checks=[positive_data_acceptance])
            seen.add(response.status_code)

        each()
    assert seen >= {200, 400}
