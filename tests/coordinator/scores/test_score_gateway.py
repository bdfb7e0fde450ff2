"""The bureau's gateway: what it relays, what it refuses, and what it can see."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from coordinator.scores.scoring import ScoreGateway
from crypto.errors import (
    InvalidCiphertext,
    MalformedMessage,
    PeerError,
    ProtectionUnavailable,
    SignatureInvalid,
    UntrustedKey,
)
from crypto.identifiers import ParticipantId
from crypto.identity import Identity
from models.wire.online import DepartmentAnswer, OfferRequest, ScoreRequest
from models.wire.score_statement import request_digest
from simulations.adversaries.online import restated
from simulations.online import LocalPost, OnlineFederation, served_model
from simulations.online_rehearsal import OnlineRehearsal

Change = Callable[[DepartmentAnswer], DepartmentAnswer]


class CorruptPost(LocalPost):
    """Carries everything as it is, but for one department's answers."""

    def __init__(self, online: OnlineFederation, corrupt: ParticipantId, change: Change) -> None:
        super().__init__(online.scorers, None, set())
        self._corrupt, self._change = corrupt, change

    def relay(self, requests: Mapping[ParticipantId, bytes]) -> dict[ParticipantId, bytes]:
        answers = super().relay(requests)
        answer = DepartmentAnswer.decode(answers[self._corrupt])
        return answers | {self._corrupt: self._change(answer).encode()}


@pytest.fixture
def request_(rehearsal: OnlineRehearsal, online: OnlineFederation) -> ScoreRequest:
    return online.ask(rehearsal.enterprise(rehearsal.unused()), rehearsal.offer()).request


def corrupted(rehearsal: OnlineRehearsal, online: OnlineFederation, change: Change) -> ScoreGateway:
    model = served_model(rehearsal.home(rehearsal.bank), rehearsal.drawn.version)
    return ScoreGateway([model], CorruptPost(online, rehearsal.drawn.departments[2], change), rehearsal.log)


def test_an_offer_names_who_is_up_and_who_is_missing(rehearsal: OnlineRehearsal, online: OnlineFederation) -> None:
    everybody = rehearsal.drawn.departments
    assert online.offer().departments == everybody
    online.down.add(everybody[1])
    offer = online.offer()
    assert (offer.departments, offer.missing) == ((everybody[0], *everybody[2:]), (everybody[1],))
    online.down.add(everybody[0])
    with pytest.raises(ProtectionUnavailable):
        online.offer()


def test_a_model_or_bank_that_is_not_served_is_refused(
    rehearsal: OnlineRehearsal, online: OnlineFederation, request_: ScoreRequest
) -> None:
    with pytest.raises(PeerError):
        online.gateway.offer(OfferRequest(model_version="0" * 32))
    identity = rehearsal.home(rehearsal.bank).identity()
    for error, changes in ((PeerError, {"model_version": "0" * 32}), (UntrustedKey, {"bank": "bank-09"})):
        with pytest.raises(error):
            online.gateway.score(replace(request_, document=restated(request_.document, identity, **changes)))


def test_a_request_that_the_bank_did_not_sign_bothers_no_department(
    online: OnlineFederation, request_: ScoreRequest
) -> None:
    stranger = restated(request_.document, Identity.generate())
    with pytest.raises(SignatureInvalid):
        online.gateway.score(replace(request_, document=stranger))
    with pytest.raises(MalformedMessage):
        online.gateway.score(replace(request_, boxes=request_.boxes[1:]))
    with pytest.raises(PeerError, match="other boxes"):
        online.gateway.score(replace(request_, boxes=request_.boxes[::-1]))
    assert online.gateway.score(request_).request == request_digest(request_.document)


@pytest.mark.parametrize("number", ["zero", "n", "n^2", "n^2 + 1", "a factor of n"])
def test_a_department_that_answers_with_no_ciphertext_is_named(
    rehearsal: OnlineRehearsal, online: OnlineFederation, request_: ScoreRequest, number: str
) -> None:
    public = rehearsal.key.public
    n, p = public.modulus, int.from_bytes(rehearsal.key.to_private_bytes()[:192], "big")
    value = {"zero": 0, "n": n, "n^2": n * n, "n^2 + 1": n * n + 1, "a factor of n": p}[number]
    ciphertext = value.to_bytes(public.ciphertext_bytes, "big")
    gateway = corrupted(rehearsal, online, lambda answer: replace(answer, ciphertext=ciphertext))
    with pytest.raises(InvalidCiphertext, match="department-03"):
        gateway.score(request_)


def test_an_answer_of_another_length_or_request_is_refused(
    rehearsal: OnlineRehearsal, online: OnlineFederation
) -> None:
    changes: list[Change] = [
        lambda answer: replace(answer, ciphertext=answer.ciphertext[1:]),
        lambda answer: replace(answer, ciphertext=b""),
        lambda answer: replace(answer, request=bytes(32)),
    ]
    for change in changes:
        request = online.ask(rehearsal.enterprise(rehearsal.unused()), rehearsal.offer()).request
        with pytest.raises(PeerError):
            corrupted(rehearsal, online, change).score(request)
