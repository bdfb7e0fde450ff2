"""What an enterprise signs to pause or end a consent: one form and a digest of its own."""

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.documents import canonical_json
from crypto.errors import MalformedMessage
from models.wire.consent_change import MAXIMUM_CHANGE_BYTES, ConsentChange, Reason, What
from models.wire.document_fields import LATEST_TIME

CHANGE = ConsentChange(consent_digest=b"d" * 32, what=What.REVOKE, at=1_800_000_000, reason=Reason.MISUSE_SUSPECTED)
DOCUMENT = b'{"at":1800000000,"consent_digest":"%s","reason":"misuse-suspected","what":"revoke"}' % (b"64" * 32)

changes = st.builds(
    ConsentChange,
    consent_digest=st.binary(min_size=32, max_size=32),
    what=st.sampled_from(What),
    at=st.integers(0, LATEST_TIME),
    reason=st.sampled_from(Reason),
)


def test_a_change_is_this_document_and_comes_back_from_it() -> None:
    assert CHANGE.encode() == DOCUMENT
    assert ConsentChange.decode(DOCUMENT) == CHANGE


def test_the_digest_of_a_change_is_under_a_label_of_its_own() -> None:
    framed = b"yurong/1/hash/consent-change\0" + len(DOCUMENT).to_bytes(8, "big") + DOCUMENT
    assert CHANGE.digest() == hashlib.sha256(framed).digest()


@given(changes)
def test_every_change_comes_back_from_its_document(change: ConsentChange) -> None:
    assert ConsentChange.decode(change.encode()) == change
    assert len(change.encode()) <= MAXIMUM_CHANGE_BYTES


@pytest.mark.parametrize(
    "change",
    [{"consent_digest": b"e" * 32}, {"what": What.PAUSE}, {"at": 1_800_000_001}, {"reason": Reason.OTHER}],
    ids=["consent_digest", "what", "at", "reason"],
)
def test_every_field_of_a_change_altered_gives_another_digest(change: dict[str, Any]) -> None:
    assert replace(CHANGE, **change).digest() != CHANGE.digest()


@pytest.mark.parametrize(
    "change",
    [
        {"at": -1},
        {"at": LATEST_TIME + 1},
        {"at": True},
        {"at": "1800000000"},
        {"consent_digest": "64" * 31},
        {"consent_digest": "64" * 33},
        {"consent_digest": "6D" * 32},
        {"consent_digest": None},
        {"reason": "because"},
        {"reason": 1},
        {"what": "renew"},
        {"what": None},
        {"more": 1},
    ],
    ids=range(13),
)
def test_a_change_of_another_form_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage):
        ConsentChange.decode(canonical_json(json.loads(DOCUMENT) | change))


@given(
    st.binary(max_size=64)
    | st.tuples(st.integers(0, len(DOCUMENT)), st.binary(max_size=3)).map(
        lambda cut: DOCUMENT[: cut[0]] + cut[1] + DOCUMENT[cut[0] + len(cut[1]) :]
    )
)
def test_only_our_error_escapes_from_the_bytes_of_a_change(data: bytes) -> None:
    try:
        change = ConsentChange.decode(data)
    except MalformedMessage:
        return
    assert change.encode() == data
