"""A bank's client: what it asks, and what it takes for an answer."""

from dataclasses import replace

import pytest

from crypto.errors import (
    InvalidCiphertext,
    MalformedMessage,
    PeerError,
    ProtectionUnavailable,
    ProtocolStateError,
    UntrustedKey,
)
from crypto.identifiers import EnterpriseId, ModelVersion
from crypto.paillier import PaillierPublicKey
from models.enterprise_id import InvalidEnterpriseId
from models.wire.online import Offer, ScoreAnswer
from participants.bank.score_request import OpenRequest, ScoreClient
from simulations.adversaries.online import restated
from simulations.drawn_model import INTERCEPT, TURNOVER_WEIGHTS
from simulations.online import OnlineFederation
from simulations.online_rehearsal import OnlineRehearsal


def test_a_score_is_the_sum_of_all_parts_in_points_and_probability(
    rehearsal: OnlineRehearsal, online: OnlineFederation
) -> None:
    row = rehearsal.unused()
    score = online.score(rehearsal.enterprise(row))
    assert score.log_odds_default == pytest.approx(rehearsal.drawn.log_odds(row), abs=1e-12)
    assert score.probability_of_default == pytest.approx(1 / (1 + 2.718281828459045**-score.log_odds_default))
    assert score.points == round(600 - 20 / 0.6931471805599453 * (score.log_odds_default + 2.995732273553991))
    assert (score.departments, score.missing) == (rehearsal.drawn.departments, ())
    assert (score.enterprise_id, score.model_version) == (rehearsal.enterprise(row), rehearsal.drawn.version)


def test_the_mean_of_a_department_that_is_down_stands_for_it(
    rehearsal: OnlineRehearsal, online: OnlineFederation
) -> None:
    row, down = rehearsal.unused(), rehearsal.drawn.departments[2]
    online.down.add(down)
    score = online.score(rehearsal.enterprise(row))
    left = [name for name in rehearsal.drawn.departments if name != down]
    assert score.missing == (down,)
    assert score.log_odds_default == pytest.approx(rehearsal.drawn.log_odds(row, left), abs=1e-12)


def answer_to(rehearsal: OnlineRehearsal, online: OnlineFederation) -> tuple[OpenRequest, ScoreAnswer]:
    asked = online.ask(rehearsal.enterprise(rehearsal.unused()), rehearsal.offer())
    return asked, online.gateway.score(asked.request)


def test_an_answer_is_opened_only_with_the_request_that_it_is_to(
    rehearsal: OnlineRehearsal, online: OnlineFederation
) -> None:
    asked, answer = answer_to(rehearsal, online)
    another, its_answer = answer_to(rehearsal, online)
    for request, wrong in ((asked, its_answer), (another, answer), (asked, replace(answer, request=bytes(32)))):
        with pytest.raises(PeerError, match="not asked for"):
            online.client.open(request, wrong)
    online.client.open(asked, answer)


def test_a_request_that_was_kept_is_opened_by_another_process(
    rehearsal: OnlineRehearsal, online: OnlineFederation
) -> None:
    asked, answer = answer_to(rehearsal, online)
    kept = OpenRequest.decode(asked.encode())
    assert kept == asked
    later = ScoreClient(rehearsal.home(rehearsal.bank), rehearsal.drawn.version, clock=rehearsal.clock)
    score = later.open(kept, answer)
    assert score == online.client.open(asked, answer)
    assert (score.request_id, kept.digest) == (asked.statement.request_id, answer.request)
    assert asked.enterprise_id not in repr(asked)


def test_the_parts_of_a_score_sum_to_it(rehearsal: OnlineRehearsal, online: OnlineFederation) -> None:
    row, down = rehearsal.unused(), rehearsal.drawn.departments[2]
    online.down.add(down)
    score = online.score(rehearsal.enterprise(row))
    parts = online.client.parts(score)
    assert parts.intercept == INTERCEPT
    assert any(parts.own == pytest.approx(weight) for weight in TURNOVER_WEIGHTS)
    assert parts.missing == {down: rehearsal.drawn.means[2]}
    answered = [0, 1, 3]
    assert parts.departments == pytest.approx(rehearsal.drawn.partials[answered, row].sum() * 2.0**-24, abs=1e-9)
    total = parts.intercept + parts.own + parts.departments + sum(parts.missing.values())
    assert total == pytest.approx(score.log_odds_default, abs=1e-12)


def encoded(number: int, public: PaillierPublicKey) -> bytes:
    return number.to_bytes(public.ciphertext_bytes, "big")


def test_numbers_that_are_no_ciphertext_never_reach_the_key(
    rehearsal: OnlineRehearsal, online: OnlineFederation
) -> None:
    (asked, answer), public = answer_to(rehearsal, online), rehearsal.key.public
    factor = int.from_bytes(rehearsal.key.to_private_bytes()[:192], "big")
    n = public.modulus
    for number in (0, n, n * n, n * n + 1, 2 * n, factor, factor * factor, n * n - n):
        with pytest.raises(InvalidCiphertext):
            online.client.open(asked, replace(answer, ciphertext=encoded(number, public)))
    for data in (b"", answer.ciphertext[1:], answer.ciphertext + b"\0"):
        with pytest.raises(MalformedMessage):
            online.client.open(asked, replace(answer, ciphertext=data))
    online.client.open(asked, answer)


def test_a_sum_that_no_departments_can_have_is_refused(rehearsal: OnlineRehearsal, online: OnlineFederation) -> None:
    (asked, answer), public = answer_to(rehearsal, online), rehearsal.key.public
    ciphertext = public.decode_ciphertext(answer.ciphertext)
    for added, error in ((1 << 200, InvalidCiphertext), (1 << 66, InvalidCiphertext), (1 << 40, PeerError)):
        falsified = public.encode_ciphertext(public.add_plaintext(ciphertext, added))
        with pytest.raises(error):
            online.client.open(asked, replace(answer, ciphertext=falsified))


def test_a_bank_asks_about_no_text_that_is_no_enterprise_id(
    rehearsal: OnlineRehearsal, online: OnlineFederation
) -> None:
    with pytest.raises(InvalidEnterpriseId):
        online.ask(EnterpriseId("911100000000000000"), rehearsal.offer())


def test_a_client_is_a_banks_and_opens_requests_of_its_own_model_and_keys(
    rehearsal: OnlineRehearsal, online: OnlineFederation
) -> None:
    department, bank = rehearsal.home(rehearsal.drawn.departments[0]), rehearsal.home(rehearsal.bank)
    with pytest.raises(ProtocolStateError):
        ScoreClient(department, rehearsal.drawn.version, clock=rehearsal.clock)
    asked, answer = answer_to(rehearsal, online)
    for changes in ({"model_version": ModelVersion("0" * 32)}, {"key_fingerprint": bytes(32)}):
        document = restated(asked.request.document, bank.identity(), **changes)
        other = replace(asked, request=replace(asked.request, document=document))
        with pytest.raises(ProtocolStateError):
            online.client.open(other, replace(answer, request=other.digest))


def test_a_document_that_the_bank_did_not_pin_is_not_taken_from_an_offer(
    rehearsal: OnlineRehearsal, online: OnlineFederation
) -> None:
    everybody = rehearsal.drawn.departments
    offer = Offer(departments=everybody, serials=(1, 2, 1, 1), missing=())
    with pytest.raises(UntrustedKey):
        online.ask(rehearsal.enterprise(0), offer)


def test_an_offer_names_departments_that_the_client_knows(rehearsal: OnlineRehearsal, online: OnlineFederation) -> None:
    everybody = rehearsal.drawn.departments
    for offer in (
        Offer(departments=everybody[:3], serials=(1,) * 3, missing=()),
        Offer(departments=everybody[::-1], serials=(1,) * 4, missing=()),
        Offer(departments=(*everybody, "zz"), serials=(1,) * 5, missing=()),
        Offer(departments=everybody, serials=(1,) * 4, missing=everybody[:1]),
        Offer(departments=everybody, serials=(1,) * 3, missing=()),
    ):
        with pytest.raises(PeerError):
            online.ask(rehearsal.enterprise(0), offer)
    too_few = Offer(departments=everybody[:2], serials=(1, 1), missing=everybody[2:])
    with pytest.raises(ProtectionUnavailable):
        online.ask(rehearsal.enterprise(0), too_few)
