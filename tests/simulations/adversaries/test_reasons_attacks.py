"""Attacks on the reasons of a score: each works against a weakened department, and not against ours.

What must hold: who opens all boxes of S finds the sum by family and nothing else; one box alone opens to uniform words,
for the bank and the bureau together too; boxes of another request, department or opener do not open; and a sum in which
the masks do not cancel is refused, never told as points.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from numpy.typing import NDArray
from scipy.stats import chi2

from crypto.errors import MalformedMessage, PeerError, ProtocolStateError
from crypto.identifiers import ParticipantId, RunId
from crypto.identity import Identity
from crypto.masks import MaskContext, MemoryLedger, PairwiseSecrets
from models.reasons.errors import ReasonsDoNotAddUp
from models.reasons.families import packaged_families
from models.reasons.opening import open_boxes, sum_of
from models.reasons.words import MOST_LOST
from models.wire.reasons import Opener, SealedReasons
from models.wire.steps import Purpose
from participants.bank.reasons import open_reasons
from participants.department.reasons import sealed_reasons
from simulations.adversaries.reasons import masked, not_masked, words_of_one_box

FALSE_ALARM = 1e-6
"""How often the test of uniformity fails though all is well."""

FAMILIES = len(packaged_families())
MEMBERS = tuple(ParticipantId(name) for name in ("courts", "tax", "water"))
IDENTITIES = {name: Identity.generate() for name in MEMBERS}
BANK, ENTERPRISE = Identity.generate(), X25519PrivateKey.generate()
OPENERS = {
    Opener.BANK: BANK.public.agreement_key,
    Opener.ENTERPRISE: ENTERPRISE.public_key().public_bytes_raw(),
}
REQUEST = b"r" * 32
LOST = {
    name: np.random.default_rng(place).integers(0, 2**27, FAMILIES).astype(np.uint64)
    for place, name in enumerate(MEMBERS)
}
SUM = np.sum([LOST[name] for name in MEMBERS], axis=0).astype(np.int64)

Masking = Callable[[NDArray[np.uint64], PairwiseSecrets, MaskContext], NDArray[np.uint64]]
Boxes = Mapping[ParticipantId, tuple[SealedReasons, ...]]


def context(request: bytes) -> MaskContext:
    return MaskContext(
        run_id=RunId("run"),
        plan_digest=b"p" * 32,
        round=0,
        attempt=0,
        purpose=Purpose.ONLINE_REASONS,
        direction=f"bank/{request.hex()}",
        members=MEMBERS,
    )


def answers(
    masking: Masking = masked, *, request: bytes = REQUEST, masked_for: Mapping[ParticipantId, bytes] | None = None
) -> Boxes:
    """What each department answers. masked_for: the request that each was shown, if it is not the same."""
    public = {name: identity.public for name, identity in IDENTITIES.items()}
    found = {}
    for name in MEMBERS:
        secrets = PairwiseSecrets(IDENTITIES[name], name, public, MemoryLedger())
        words = masking(LOST[name], secrets, context((masked_for or {}).get(name, request)))
        found[name] = sealed_reasons(words, OPENERS, request=request, department=name)
    return found


def boxes_of(found: Boxes, opener: Opener) -> dict[ParticipantId, bytes]:
    return {name: next(one.box for one in sealed if one.opener is opener) for name, sealed in found.items()}


def test_the_bank_and_the_enterprise_find_the_sum_by_family() -> None:
    found = answers()
    assert open_reasons(found, BANK, request=REQUEST).tolist() == SUM.tolist()
    opened = open_boxes(boxes_of(found, Opener.ENTERPRISE), ENTERPRISE, Opener.ENTERPRISE, request=REQUEST)
    assert opened.tolist() == SUM.tolist()


def test_a_box_is_made_for_those_alone_whom_the_consent_names() -> None:
    words = np.zeros(FAMILIES, np.uint64)
    for named in ([], [Opener.BANK], [Opener.ENTERPRISE], [Opener.ENTERPRISE, Opener.BANK]):
        openers = {opener: OPENERS[opener] for opener in named}
        sealed = sealed_reasons(words, openers, request=REQUEST, department=MEMBERS[0])
        assert [one.opener for one in sealed] == sorted(named)


def test_bank_and_bureau_read_one_department_that_does_not_mask_and_find_uniform_words_in_ours() -> None:
    def one_box(masking: Masking, request: bytes) -> NDArray[np.uint64]:
        box = boxes_of(answers(masking, request=request), Opener.BANK)[MEMBERS[1]]
        private = BANK.private_agreement_key()
        return words_of_one_box(box, private, Opener.BANK, request=request, department=MEMBERS[1])

    assert one_box(not_masked, REQUEST).tolist() == LOST[MEMBERS[1]].tolist()
    words = np.concatenate([one_box(masked, bytes([number]) * 32) for number in range(60)])
    counts = np.bincount((words >> np.uint64(60)).astype(np.int64), minlength=16)
    expected = len(words) / 16
    assert ((counts - expected) ** 2 / expected).sum() < chi2.ppf(1 - FALSE_ALARM, 15)
    counts = np.bincount((words & np.uint64(15)).astype(np.int64), minlength=16)
    assert ((counts - expected) ** 2 / expected).sum() < chi2.ppf(1 - FALSE_ALARM, 15)


def test_departments_without_one_of_them_give_no_sum() -> None:
    """Else the difference of two sums would be one department's points lost, as it is where nobody masks."""
    for left_out in MEMBERS:
        weak = {name: one for name, one in answers(not_masked).items() if name != left_out}
        assert (SUM - open_reasons(weak, BANK, request=REQUEST)).tolist() == LOST[left_out].tolist()
        ours = {name: one for name, one in answers().items() if name != left_out}
        with pytest.raises(ReasonsDoNotAddUp):
            open_reasons(ours, BANK, request=REQUEST)


def test_departments_that_were_shown_different_requests_give_no_sum() -> None:
    with pytest.raises(ReasonsDoNotAddUp):
        open_reasons(answers(masked_for={MEMBERS[0]: b"s" * 32}), BANK, request=REQUEST)


def test_a_box_of_another_request_department_or_opener_does_not_open() -> None:
    found = boxes_of(answers(), Opener.BANK)
    private = BANK.private_agreement_key()
    with pytest.raises(PeerError):
        open_boxes(found, private, Opener.BANK, request=b"s" * 32)
    with pytest.raises(PeerError):
        open_boxes(found | {MEMBERS[0]: found[MEMBERS[1]]}, private, Opener.BANK, request=REQUEST)
    with pytest.raises(PeerError):
        open_boxes(found, private, Opener.ENTERPRISE, request=REQUEST)
    with pytest.raises(PeerError):
        open_boxes(found, ENTERPRISE, Opener.BANK, request=REQUEST)


def test_a_department_answers_the_bank_with_one_box() -> None:
    found = dict(answers())
    mine = next(one for one in found[MEMBERS[0]] if one.opener is Opener.BANK)
    for wrong in ((), (mine, mine), tuple(one for one in found[MEMBERS[0]] if one is not mine)):
        with pytest.raises(PeerError, match="one box"):
            open_reasons(found | {MEMBERS[0]: wrong}, BANK, request=REQUEST)


def test_nothing_is_sealed_to_a_key_that_is_none_and_no_vector_of_another_length() -> None:
    words = np.zeros(FAMILIES, np.uint64)
    with pytest.raises(MalformedMessage):
        sealed_reasons(words, {Opener.ENTERPRISE: bytes(32)}, request=REQUEST, department=MEMBERS[0])
    with pytest.raises(ProtocolStateError):
        sealed_reasons(words[1:], OPENERS, request=REQUEST, department=MEMBERS[0])


def test_sums_are_points_lost_up_to_the_most_that_departments_can_state() -> None:
    most = [np.full(FAMILIES, MOST_LOST, np.uint64)] * 3
    assert set(sum_of(most).tolist()) == {3 * MOST_LOST}
    one_more = np.eye(1, FAMILIES, dtype=np.uint64)[0]
    for wrong in ([], [most[0] + one_more], [np.zeros(FAMILIES, np.uint64) - one_more]):
        with pytest.raises(ReasonsDoNotAddUp):
            sum_of(wrong)
