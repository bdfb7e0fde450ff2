"""What running nodes refuse: with the right type of problem, and no department having anything on record for it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from crypto.identifiers import EnterpriseId, ModelVersion, ParticipantId, RequestId, Role
from crypto.labels import Label
from crypto.paillier import BankPaillierKey
from crypto.sealed import seal
from models.hosting.clock import Clock
from models.hosting.https.door import SCORES
from models.hosting.https.peer import MEDIA_TYPE
from models.hosting.https.signatures import RequestSigner
from models.hosting.https.tls import client_context
from models.wire.consent import Purpose
from models.wire.online import Offer, OfferRequest, ScoreRequest
from models.wire.score_statement import Question, SignedStatement, box_context, tree_of_boxes
from participants.bank.consents import ConsentBook
from participants.bank.database import open_database
from participants.bank.score_request import OpenRequest, ScoreClient
from participants.bank.settings import relying_party_of
from participants.home import Home
from simulations.local_federation.founding import BUREAU
from simulations.local_federation.online import OnlineProcesses

pytestmark = pytest.mark.timeout(300)


class ClockOff:
    """A clock that is wrong."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def now(self) -> float:
        return time.time() + self._seconds


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who a request says that it is of, whose key signs it, and whose certificate the connection shows."""

    online: OnlineProcesses
    name: ParticipantId
    signs: Home
    shows: Home

    def headers(self, path: str, body: bytes, clock: Clock | None = None) -> dict[str, str]:
        signer = RequestSigner(self.signs.identity(), self.name, tag=SCORES, clock=clock or self.signs.clock)
        return {"Content-Type": MEDIA_TYPE, **signer.sign("POST", self.url(path), body)}

    def url(self, path: str) -> str:
        return self.online.running.nodes[BUREAU].address + path

    def send(self, path: str, body: bytes, headers: dict[str, str] | None = None) -> str:
        """The type of the problem, or `answered`."""
        bank = self.online.founded.home(self.online.founded.drawn.banks[0])
        certificates = [bank.pins.document(BUREAU).certificate]
        context = client_context(*self.shows.tls_identity(), certificates)
        with httpx.Client(verify=context, timeout=30, trust_env=False) as client:
            answer = client.post(self.url(path), content=body, headers=headers or self.headers(path, body))
        if answer.status_code == httpx.codes.OK:
            return "answered"
        said: dict[str, Any] = answer.json()
        return str(said["type"]).rsplit(":", 1)[-1].rsplit("/", 1)[-1]


@pytest.fixture
def banks(online: OnlineProcesses) -> tuple[Home, Home]:
    one, other = (online.founded.home(name) for name in online.founded.drawn.banks)
    return one, other


@pytest.fixture
def caller(online: OnlineProcesses, banks: tuple[Home, Home]) -> Caller:
    return Caller(online=online, name=banks[0].participant_id, signs=banks[0], shows=banks[0])


@pytest.fixture
def stranger(tmp_path: Path) -> Home:
    return Home.create(
        tmp_path / "stranger",
        participant_id=ParticipantId("stranger"),
        role=Role.BANK,
        title="Stranger",
        address="https://127.0.0.1:9",
    )


@pytest.fixture(autouse=True)
def nothing_is_computed(online: OnlineProcesses) -> Iterator[None]:
    """By no department, whatever a test sends."""
    before = online.recorded()
    yield
    assert online.recorded() == before


def offer_request(online: OnlineProcesses) -> bytes:
    return OfferRequest(model_version=online.founded.drawn.version).encode()


def asked(online: OnlineProcesses, home: Home) -> OpenRequest:
    serials = tuple(online.founded.home(name).serial for name in online.departments)
    offer = Offer(departments=online.departments, serials=serials, missing=())
    client = ScoreClient(home, online.founded.drawn.version, clock=home.clock)
    enterprise_id, request_id = online.enterprise(online.unused(1)[0]), RequestId(secrets.token_hex(16))
    consents = ConsentBook(home, open_database(home), relying_party_of(home))
    use = consents.use(enterprise_id, Purpose.APPLICATION, request_id, now=home.clock.now())
    return client.request(use, offer, request_id)


def altered(request: OpenRequest, home: Home, *, boxes: tuple[bytes, ...] | None = None, **fields: Any) -> bytes:
    """The request with other fields, signed anew by the bank itself."""
    kept = request.request.boxes if boxes is None else boxes
    statement = SignedStatement.read(request.request.document).claimed
    changed = replace(statement, boxes=tree_of_boxes(kept).root, **fields)
    return ScoreRequest(document=changed.sign(home.identity()), boxes=kept).encode()


def test_who_is_not_pinned_is_refused(online: OnlineProcesses, caller: Caller, stranger: Home) -> None:
    body = offer_request(online)
    with pytest.raises(httpx.TransportError):
        replace(caller, name=stranger.participant_id, signs=stranger, shows=stranger).send("/v1/offers", body)
    assert replace(caller, name=stranger.participant_id, signs=stranger).send("/v1/offers", body) == "untrusted-key"
    assert replace(caller, signs=stranger).send("/v1/offers", body) == "signature-invalid"
    assert caller.send("/v1/offers", body) == "answered"


def test_another_s_certificate_is_refused(online: OnlineProcesses, caller: Caller, banks: tuple[Home, Home]) -> None:
    assert replace(caller, shows=banks[1]).send("/v1/offers", offer_request(online)) == "certificate-mismatch"


def test_a_score_request_that_another_bank_signed_is_refused(
    online: OnlineProcesses, caller: Caller, banks: tuple[Home, Home]
) -> None:
    body = asked(online, banks[1]).request.encode()
    assert caller.send("/v1/scores", body) == "forbidden"


def test_a_bad_a_stale_and_a_replayed_signature_are_refused(online: OnlineProcesses, caller: Caller) -> None:
    path, body = "/v1/offers", offer_request(online)
    assert caller.send(path, body, caller.headers(path, body + b"\0")) == "signature-invalid"
    assert caller.send(path, body, caller.headers("/v1/scores", body)) == "signature-invalid"
    assert caller.send(path, body, caller.headers(path, body, ClockOff(-300))) == "signature-stale"
    assert caller.send(path, body, caller.headers(path, body, ClockOff(300))) == "signature-stale"
    headers = caller.headers(path, body)
    assert [caller.send(path, body, headers) for _ in range(2)] == ["answered", "signature-replayed"]


def test_another_model_is_refused(online: OnlineProcesses, caller: Caller, banks: tuple[Home, Home]) -> None:
    version = ModelVersion(secrets.token_hex(16))
    assert caller.send("/v1/offers", OfferRequest(model_version=version).encode()) == "unknown-model"
    body = altered(asked(online, banks[0]), banks[0], model_version=version)
    assert caller.send("/v1/scores", body) == "unknown-model"


def test_a_key_that_is_not_the_bank_s_is_refused(
    online: OnlineProcesses, caller: Caller, banks: tuple[Home, Home]
) -> None:
    swapped = BankPaillierKey.generate().public.fingerprint()
    for fingerprint in (swapped, banks[1].bank_keys().paillier.public.fingerprint()):
        body = altered(asked(online, banks[0]), banks[0], key_fingerprint=fingerprint)
        assert caller.send("/v1/scores", body) == "untrusted-key"


def test_a_request_over_the_limit_is_refused(caller: Caller) -> None:
    assert caller.send("/v1/scores", bytes(ScoreRequest.MAXIMUM_BYTES + 1)) == "body-too-large"


def test_an_id_with_a_wrong_check_digit_is_refused_by_the_departments(
    online: OnlineProcesses, caller: Caller, banks: tuple[Home, Home]
) -> None:
    request = asked(online, banks[0])
    right = request.enterprise_id
    wrong = EnterpriseId(right[:-1] + ("0" if right[-1] != "0" else "1"))
    question = Question(enterprise_id=wrong, consent=secrets.token_bytes(32), use=0).encode()
    boxes = []
    for name in online.departments:
        context = box_context(
            RequestId(request.statement.request_id), banks[0].participant_id, online.founded.drawn.version, name
        )
        identity = banks[0].pins.document(name).identity
        boxes.append(seal(identity, question, label=Label.SEALED_REQUEST, context=context))
    body = altered(request, banks[0], boxes=tuple(boxes))
    assert caller.send("/v1/scores", body) == "invalid-enterprise-id"


def test_a_box_that_is_none_or_not_the_signed_one_is_refused(
    online: OnlineProcesses, caller: Caller, banks: tuple[Home, Home]
) -> None:
    request = asked(online, banks[0])
    garbage = tuple(secrets.token_bytes(len(box)) for box in request.request.boxes)
    unsigned = ScoreRequest(document=request.request.document, boxes=garbage).encode()
    assert caller.send("/v1/scores", unsigned) == "request-refused"
    assert caller.send("/v1/scores", altered(request, banks[0], boxes=garbage)) == "request-refused"
    assert caller.send("/v1/scores", secrets.token_bytes(500)) == "malformed"
