"""Attacks on online scoring: each works against a weakened department or bank, and not against ours."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from scipy.stats import chi2

from crypto.errors import InvalidCiphertext, PeerError, SignatureInvalid, UntrustedKey
from crypto.identifiers import EnterpriseId, ParticipantId, RequestId, RunId
from crypto.identity import Identity, ParticipantDocument
from crypto.obfuscators import ObfuscatorPool
from crypto.paillier import BankPaillierKey
from models.wire.consent import Purpose
from models.wire.envelope import Addressed
from models.wire.online import RelayedRequest
from models.wire.setup import MeetRequest
from participants.department import scorer as scorer_module
from participants.department.request_record import RequestRecord
from participants.department.scorer import RecentAnswers, Scorer
from participants.home import Home
from participants.runs.ledger import FileLedger
from participants.runs.run import Run
from simulations.adversaries.online import (
    forged_requests,
    opened,
    partial_masked_for_the_request_alone,
    partial_masked_for_the_request_id_alone,
    partial_without_a_mask,
    signed,
    with_a_later_expiry,
    with_another_enterprise,
)
from simulations.adversaries.paillier import factor_from_one_decryption
from simulations.local_log import EVIDENCE
from simulations.online import OnlineFederation
from simulations.online_rehearsal import OnlineRehearsal

FALSE_ALARM = 1e-6
"""How often the test of uniformity fails though all is well."""


def leave_out(monkeypatch: pytest.MonkeyPatch, *checks: str) -> None:
    """Weaken all departments of this process."""
    for name in ("OF_THE_REQUEST", "OF_THE_RECORD"):
        kept = tuple(check for check in getattr(scorer_module, name) if check.__name__ not in checks)
        monkeypatch.setattr(scorer_module, name, kept)


def request_to(rehearsal: OnlineRehearsal, online: OnlineFederation, department: ParticipantId) -> RelayedRequest:
    enterprise = rehearsal.enterprise(rehearsal.unused())
    return rehearsal.relayed(online.ask(enterprise, rehearsal.offer()).request, department)


def forged(
    rehearsal: OnlineRehearsal,
    asked: dict[ParticipantId, EnterpriseId],
    identity: Identity | None = None,
    key: BankPaillierKey | None = None,
    request_id: RequestId | None = None,
) -> dict[ParticipantId, RelayedRequest]:
    """Requests in the bank's name: by the bank itself, unless somebody else's identity and key are given."""
    return forged_requests(
        identity or rehearsal.home(rehearsal.bank).identity(),
        key or rehearsal.key,
        rehearsal.bank,
        rehearsal.drawn.version,
        {name: (rehearsal.home(name).identity().public, enterprise) for name, enterprise in asked.items()},
        of=rehearsal.drawn.departments,
        expires_at=int(rehearsal.clock.now()) + 30,
        log=rehearsal.log,
        consents=rehearsal.consents(),
        request_id=request_id,
    )


def sum_of_answers(
    scorers: dict[ParticipantId, Scorer], key: BankPaillierKey, requests: dict[ParticipantId, RelayedRequest]
) -> int:
    return signed(sum(opened(scorers[name].answer(one), key) for name, one in requests.items()))


# A bureau that puts keys of its own in a bank's place


def introduce_the_bureau(
    rehearsal: OnlineRehearsal, directory: Path, bureau: Identity, key: BankPaillierKey, *, pinning: bool
) -> dict[ParticipantId, Home]:
    """Copies of the departments' homes; the run's set-up is repeated with the bureau's document for the bank's."""
    honest = rehearsal.home(rehearsal.bank).bank_keys().public_lattice_keys().fingerprint()
    document = ParticipantDocument(
        participant_id=rehearsal.bank,
        role=rehearsal.home(rehearsal.bank).role,
        title=rehearsal.bank,
        identity=bureau.public,
        paillier_modulus=key.public.modulus,
        lattice_key_fingerprint=honest,
    ).sign(bureau)
    homes = {}
    for name in rehearsal.drawn.departments:
        shutil.copytree(rehearsal.drawn.homes[name], directory / name)
        homes[name] = Home.open(directory / name, clock=rehearsal.clock)
        if not pinning:
            homes[name].pins.unpin(rehearsal.bank)
            homes[name].pins.pin(document, fingerprint=bureau.public.fingerprint())
        run = Run(homes[name], homes[name].identity(), FileLedger(directory / name / "ledger"), RunId("drawn"))
        met = MeetRequest.decode(run.store.read_bytes("met"))
        swapped = tuple(
            Addressed(participant=one.participant, payload=document) if one.participant == rehearsal.bank else one
            for one in met.documents
        )
        (directory / name / "runs" / "drawn" / "met").unlink()  # a run's participants are introduced once
        run.meet(replace(met, documents=swapped))
    return homes


def test_a_bureau_in_a_banks_place_reads_scores_of_departments_that_do_not_pin_and_is_refused_by_ours(
    rehearsal: OnlineRehearsal, tmp_path: Path
) -> None:
    bureau, key, row = Identity.generate(), BankPaillierKey.generate(), rehearsal.unused()
    asked = dict.fromkeys(rehearsal.drawn.departments, rehearsal.enterprise(row))
    requests = forged(rehearsal, asked, bureau, key)
    homes = introduce_the_bureau(rehearsal, tmp_path / "weak", bureau, key, pinning=False)
    with ObfuscatorPool(key, capacity=4) as pool:
        scorers = {
            name: Scorer(home, clock=rehearsal.clock, evidence=EVIDENCE, new_pool=lambda _: pool)
            for name, home in homes.items()
        }
        assert sum_of_answers(scorers, key, requests) == rehearsal.drawn.partials[:, row].sum()
    for scorer in scorers.values():
        scorer.close()

    with pytest.raises(UntrustedKey):
        introduce_the_bureau(rehearsal, tmp_path / "ours", bureau, key, pinning=True)
    for name, request in requests.items():
        with rehearsal.scorer(name) as ours, pytest.raises(SignatureInvalid):
            ours.answer(request)


# A bureau that uses a bank's request for something else


def test_a_bureau_repeats_a_request_only_where_nobody_remembers(
    monkeypatch: pytest.MonkeyPatch, rehearsal: OnlineRehearsal, online: OnlineFederation
) -> None:
    department = rehearsal.drawn.departments[0]
    request = request_to(rehearsal, online, department)
    with monkeypatch.context() as patch:
        patch.setattr(RecentAnswers, "get", lambda *_: None)
        for claim in ("claim_request", "claim", "keep_answer"):
            patch.setattr(RequestRecord, claim, lambda *_, **__: None)
        assert len({online.scorers[department].answer(request).ciphertext for _ in range(3)}) == 3
    request = request_to(rehearsal, online, department)
    assert len({online.scorers[department].answer(request).ciphertext for _ in range(3)}) == 1


def test_a_bureau_keeps_a_request_for_later_only_where_nobody_looks_at_the_clock(
    monkeypatch: pytest.MonkeyPatch, rehearsal: OnlineRehearsal, online: OnlineFederation
) -> None:
    department = rehearsal.drawn.departments[0]
    first, second = (request_to(rehearsal, online, department) for _ in range(2))
    monkeypatch.setattr(rehearsal.clock, "seconds", rehearsal.clock.seconds + 3600)
    with monkeypatch.context() as patch:
        leave_out(patch, "not_expired")
        online.scorers[department].answer(first)
    with pytest.raises(PeerError, match="expired"):
        online.scorers[department].answer(second)


def test_a_bureau_prolongs_no_request(rehearsal: OnlineRehearsal, online: OnlineFederation) -> None:
    request = online.ask(rehearsal.enterprise(rehearsal.unused()), rehearsal.offer()).request
    longer = with_a_later_expiry(request, 200)
    with pytest.raises(SignatureInvalid):
        online.gateway.score(longer)
    for name in rehearsal.drawn.departments:
        with pytest.raises(SignatureInvalid):
            online.scorers[name].answer(rehearsal.relayed(longer, name))


def test_a_bureau_has_a_bank_score_another_enterprise_only_where_boxes_are_not_compared(
    monkeypatch: pytest.MonkeyPatch, rehearsal: OnlineRehearsal, online: OnlineFederation
) -> None:
    asked_about, put_in_its_place = rehearsal.unused(), rehearsal.unused()
    request = online.ask(rehearsal.enterprise(asked_about), rehearsal.offer()).request
    another = rehearsal.consents().use(
        rehearsal.enterprise(put_in_its_place), Purpose.APPLICATION, RequestId("a0" * 16), now=rehearsal.clock.now()
    )
    changed = {
        name: with_another_enterprise(
            rehearsal.relayed(request, name),
            name,
            rehearsal.home(name).identity().public,
            another,
        )
        for name in rehearsal.drawn.departments
    }
    for one in changed.values():
        with pytest.raises(PeerError, match="another box"):
            online.scorers[one_of(changed, one)].answer(one)
    leave_out(monkeypatch, "box_is_the_signed_one", "consent_has_this_use")
    found = sum_of_answers(online.scorers, rehearsal.key, changed)
    assert found == rehearsal.drawn.partials[:, put_in_its_place].sum()


def one_of(requests: dict[ParticipantId, RelayedRequest], request: RelayedRequest) -> ParticipantId:
    return next(name for name, one in requests.items() if one is request)


# A bank that wants one department's partial


def test_two_sets_that_differ_by_one_department_give_its_partial_only_where_sets_are_not_remembered(
    monkeypatch: pytest.MonkeyPatch, rehearsal: OnlineRehearsal, online: OnlineFederation
) -> None:
    everybody, row = rehearsal.drawn.departments, rehearsal.unused()
    with monkeypatch.context() as patch:
        leave_out(patch, "same_set_as_before")
        sums = [
            sum_of_answers(
                online.scorers,
                rehearsal.key,
                forged(rehearsal, dict.fromkeys(members, rehearsal.enterprise(row))),
            )
            for members in (everybody, everybody[:-1])
        ]
        assert sums[0] - sums[1] == rehearsal.drawn.partials[-1, row]

    row = rehearsal.unused()
    asked = dict.fromkeys(everybody, rehearsal.enterprise(row))
    sum_of_answers(online.scorers, rehearsal.key, forged(rehearsal, asked))
    fewer = forged(rehearsal, dict.fromkeys(everybody[:-1], rehearsal.enterprise(row)))
    for name, request in fewer.items():
        with pytest.raises(PeerError, match="another set"):
            online.scorers[name].answer(request)


def test_a_bank_exchanges_an_enterprise_at_one_department_only_where_masks_are_not_bound_to_it(
    monkeypatch: pytest.MonkeyPatch, rehearsal: OnlineRehearsal, online: OnlineFederation
) -> None:
    everybody, wanted, other = rehearsal.drawn.departments, rehearsal.unused(), rehearsal.unused()
    partials = rehearsal.drawn.partials
    leave_out(monkeypatch, "consent_has_this_use")  # the use is of one consent: with it the request is refused
    asked = dict.fromkeys(everybody, rehearsal.enterprise(wanted))
    mixed = asked | {everybody[1]: rehearsal.enterprise(other)}
    with monkeypatch.context() as patch:
        patch.setattr(scorer_module, "masked_partial", partial_masked_for_the_request_alone)
        whole, part = (sum_of_answers(online.scorers, rehearsal.key, forged(rehearsal, one)) for one in (asked, mixed))
        assert whole - part == partials[1, wanted] - partials[1, other]
    found = sum_of_answers(online.scorers, rehearsal.key, forged(rehearsal, mixed))
    # One chance in 2^29 that a uniform word is as small as a score.
    assert abs(found) > 1 << 35


def test_a_bank_that_gives_two_requests_one_id_finds_a_difference_only_where_masks_are_bound_to_the_id_alone(
    monkeypatch: pytest.MonkeyPatch, rehearsal: OnlineRehearsal, online: OnlineFederation
) -> None:
    everybody, request_id = rehearsal.drawn.departments, RequestId("5e" * 16)
    rows = [rehearsal.unused() for _ in range(2)]
    one, other = (
        forged(rehearsal, dict.fromkeys(everybody, rehearsal.enterprise(row)), request_id=request_id) for row in rows
    )

    def difference(name: ParticipantId) -> int:
        return signed(
            sum(
                sign * opened(online.scorers[name].answer(asked[name]), rehearsal.key)
                for sign, asked in ((1, one), (-1, other))
            )
        )

    with monkeypatch.context() as patch:
        patch.setattr(scorer_module, "masked_partial", partial_masked_for_the_request_id_alone)
        patch.setattr(RequestRecord, "claim", lambda *_: None)
        assert difference(everybody[0]) == rehearsal.drawn.partials[0, rows[0]] - rehearsal.drawn.partials[0, rows[1]]
    assert abs(difference(everybody[1])) > 1 << 35
    # Some of one and some of the other do not come to a score either.
    mixed = one | {name: other[name] for name in everybody[2:]}
    assert abs(sum_of_answers(online.scorers, rehearsal.key, mixed)) > 1 << 35


def test_a_bank_and_a_bureau_open_one_departments_answer_and_find_a_uniform_word(
    monkeypatch: pytest.MonkeyPatch, rehearsal: OnlineRehearsal, online: OnlineFederation
) -> None:
    department = rehearsal.drawn.departments[3]
    row = rehearsal.unused()
    with monkeypatch.context() as patch:
        patch.setattr(scorer_module, "masked_partial", partial_without_a_mask)
        request = online.ask(rehearsal.enterprise(row), rehearsal.offer()).request
        answer = online.scorers[department].answer(rehearsal.relayed(request, department))
        assert signed(opened(answer, rehearsal.key)) == rehearsal.drawn.partials[3, row]

    # The same question again and again, so that whatever is left of the partial would add up.
    words = []
    for _ in range(160):
        request = online.ask(rehearsal.enterprise(row), rehearsal.offer()).request
        words.append(opened(online.scorers[department].answer(rehearsal.relayed(request, department)), rehearsal.key))
    for shift in (0, 24, 60):
        counts = [0] * 16
        for word in words:
            counts[word >> shift & 15] += 1
        statistic = sum((count - 10) ** 2 / 10 for count in counts)
        assert chi2.sf(statistic, 15) > FALSE_ALARM / 3


# A bureau that wants a bank's key


@pytest.mark.parametrize("question", ["zero", "n^2", "n"])
def test_a_bureau_that_answers_with_no_ciphertext_gets_the_key_of_a_bank_that_trusts_the_library(
    rehearsal: OnlineRehearsal, online: OnlineFederation, question: str
) -> None:
    key = rehearsal.key
    n = key.public.modulus
    number = {"zero": 0, "n^2": n * n, "n": n}[question]
    primes = factor_from_one_decryption(key._phe.raw_decrypt, n, number)
    assert primes is not None
    assert primes[0] * primes[1] == n

    asked = online.ask(rehearsal.enterprise(rehearsal.unused()), rehearsal.offer())
    answer = replace(
        online.gateway.score(asked.request), ciphertext=number.to_bytes(key.public.ciphertext_bytes, "big")
    )
    with pytest.raises(InvalidCiphertext):
        online.client.open(asked, answer)
