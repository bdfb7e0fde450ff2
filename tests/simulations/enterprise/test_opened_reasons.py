"""An enterprise opens its own reasons, and nobody else's; one department's box tells nothing."""

import json
import secrets

import numpy as np
import pytest
from numpy.typing import NDArray

from crypto.errors import MalformedMessage, PeerError
from crypto.identifiers import EnterpriseId, ParticipantId
from crypto.passkeys import RelyingParty
from models.reasons.errors import ReasonsDoNotAddUp
from models.reasons.families import packaged_families
from models.wire.envelope import post
from models.wire.reasons import EnterpriseReasons, Opener
from models.wire.scoring import PARTIAL_FRACTION_BITS
from participants.department.reasons import sealed_reasons
from simulations.enterprise.opened_reasons import opened_reasons
from simulations.enterprise.signatory import Signatory

PARTY = RelyingParty(relying_party_id="credit.example", origins=("https://credit.example",))
DEPARTMENTS = tuple(map(ParticipantId, ("court", "customs", "tax")))
REQUEST = bytes(range(32))
FAMILIES = packaged_families()


def person() -> Signatory:
    return Signatory.create(EnterpriseId("91509900MA0000007U"), PARTY)


SIGNATORY = person()


def boxes(lost: dict[ParticipantId, NDArray[np.uint64]], *, masked: bool = True, to: Signatory = SIGNATORY) -> bytes:
    """What departments seal, with masks that cancel."""
    masks = [np.frombuffer(secrets.token_bytes(8 * len(FAMILIES)), np.uint64) for _ in lost]
    masks[-1] = np.zeros(len(FAMILIES), np.uint64) - np.sum(masks[:-1], axis=0, dtype=np.uint64)
    key = to.reasons_key.public_key().public_bytes_raw()
    sealed = {
        name: sealed_reasons(
            words + (mask if masked else np.uint64(0)), {Opener.ENTERPRISE: key}, request=REQUEST, department=name
        )[0].box
        for (name, words), mask in zip(lost.items(), masks, strict=True)
    }
    return EnterpriseReasons(request=REQUEST, boxes=post(sealed)).encode()


def log_odds(*values: float) -> NDArray[np.uint64]:
    words = np.zeros(len(FAMILIES), np.uint64)
    words[: len(values)] = [int(value * 2**PARTIAL_FRACTION_BITS) for value in values]
    return words


LOST = dict(zip(DEPARTMENTS, (log_odds(0.5, 0.0), log_odds(0.25, 1.5), log_odds()), strict=True))


def test_reasons_come_out_over_all_departments_and_in_the_order_of_what_they_cost() -> None:
    manifest = {"blocks": {"court": {"families": [FAMILIES[0].code]}, "customs": {"families": [FAMILIES[1].code]}}}
    first, second = opened_reasons(SIGNATORY, boxes(LOST), json.dumps(manifest).encode())
    assert [first.code, second.code] == [FAMILIES[1].code, FAMILIES[0].code]
    assert (first.departments, second.departments) == (("customs",), ("court",))
    assert first.points_lost > second.points_lost >= 1
    assert [one.departments for one in opened_reasons(SIGNATORY, boxes(LOST))] == [(), ()]


def test_nobody_else_opens_them() -> None:
    with pytest.raises(PeerError):
        opened_reasons(person(), boxes(LOST))


def test_boxes_of_some_departments_alone_tell_nothing() -> None:
    """Without masks one department's box would."""
    for masked in (False, True):
        whole = EnterpriseReasons.decode(boxes(LOST, masked=masked))
        alone = EnterpriseReasons(request=REQUEST, boxes=whole.boxes[:1]).encode()
        if masked:
            with pytest.raises(ReasonsDoNotAddUp):
                opened_reasons(SIGNATORY, alone)
        else:
            assert opened_reasons(SIGNATORY, alone)[0].code == FAMILIES[0].code


@pytest.mark.parametrize("manifest", [b"", b"{}", b"[]", b'{"blocks": []}', b'{"blocks": {"tax": 1}}'], ids=range(5))
def test_what_is_no_manifest_is_named(manifest: bytes) -> None:
    with pytest.raises(MalformedMessage):
        opened_reasons(SIGNATORY, boxes(LOST), manifest)
