"""A bank's client: what it asks, and what it takes for an answer."""

from dataclasses import replace

import pytest

from crypto.errors import InvalidCiphertext, MalformedMessage, PeerError, ProtectionUnavailable, ProtocolStateError
from crypto.identifiers import EnterpriseId
from crypto.paillier import PaillierPublicKey
from models.enterprise_id import InvalidEnterpriseId
from models.wire.online import Offer, ScoreAnswer
from participants.bank.score_request import ScoreClient
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


def answer_to(rehearsal: OnlineRehearsal, online: OnlineFederation) -> ScoreAnswer:
    request = online.client.request(rehearsal.enterprise(rehearsal.unused()), rehearsal.offer())
    return online.gateway.score(request)


def test_an_answer_is_opened_once_and_only_if_it_was_asked_for(
    rehearsal: OnlineRehearsal, online: OnlineFederation
) -> None:
    answer = answer_to(rehearsal, online)
    with pytest.raises(PeerError, match="not asked for"):
        online.client.open(replace(answer, request=bytes(32)))
    online.client.open(answer)
    with pytest.raises(PeerError, match="opened already"):
        online.client.open(answer)


def encoded(number: int, public: PaillierPublicKey) -> bytes:
    return number.to_bytes(public.ciphertext_bytes, "big")


def test_numbers_that_are_no_ciphertext_never_reach_the_key(
    rehearsal: OnlineRehearsal, online: OnlineFederation
) -> None:
    answer, public = answer_to(rehearsal, online), rehearsal.key.public
    factor = int.from_bytes(rehearsal.key.to_private_bytes()[:192], "big")
    n = public.modulus
    for number in (0, n, n * n, n * n + 1, 2 * n, factor, factor * factor, n * n - n):
        with pytest.raises(InvalidCiphertext):
            online.client.open(replace(answer, ciphertext=encoded(number, public)))
    for data in (b"", answer.ciphertext[1:], answer.ciphertext + b"\0"):
        with pytest.raises(MalformedMessage):
            online.client.open(replace(answer, ciphertext=data))
    online.client.open(answer)


def test_a_sum_that_no_departments_can_have_is_refused(rehearsal: OnlineRehearsal, online: OnlineFederation) -> None:
    answer, public = answer_to(rehearsal, online), rehearsal.key.public
    ciphertext = public.decode_ciphertext(answer.ciphertext)
    for added, error in ((1 << 200, InvalidCiphertext), (1 << 66, InvalidCiphertext), (1 << 40, PeerError)):
        falsified = public.encode_ciphertext(public.add_plaintext(ciphertext, added))
        with pytest.raises(error):
            online.client.open(replace(answer, ciphertext=falsified))


def test_a_bank_asks_about_no_text_that_is_no_enterprise_id(
    rehearsal: OnlineRehearsal, online: OnlineFederation
) -> None:
    with pytest.raises(InvalidEnterpriseId):
        online.client.request(EnterpriseId("911100000000000000"), rehearsal.offer())


def test_a_client_is_a_banks_with_the_key_that_its_document_names(rehearsal: OnlineRehearsal) -> None:
    one, other = rehearsal.drawn.banks
    version, clock = rehearsal.drawn.version, rehearsal.clock
    with pytest.raises(ProtocolStateError):
        ScoreClient(rehearsal.home(rehearsal.drawn.departments[0]), rehearsal.keys[one], version, clock=clock)
    with pytest.raises(ProtocolStateError):
        ScoreClient(rehearsal.home(one), rehearsal.keys[other], version, clock=clock)


def test_requests_that_expired_long_ago_are_forgotten(rehearsal: OnlineRehearsal, online: OnlineFederation) -> None:
    before = rehearsal.clock.seconds
    online.client.request(rehearsal.enterprise(0), rehearsal.offer())
    rehearsal.clock.seconds += 10_000
    online.client.request(rehearsal.enterprise(0), rehearsal.offer())
    rehearsal.clock.seconds = before
    assert len(online.client._open) == 1


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
            online.client.request(rehearsal.enterprise(0), offer)
    too_few = Offer(departments=everybody[:2], serials=(1, 1), missing=everybody[2:])
    with pytest.raises(ProtectionUnavailable):
        online.client.request(rehearsal.enterprise(0), too_few)
