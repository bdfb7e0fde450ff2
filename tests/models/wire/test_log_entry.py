"""Entries of the transparency log have one form."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import MalformedMessage
from models.wire.log_entry import TAGGED, EntryKind, LogEntry, tag_of_consent

DIGEST, TAG = bytes(range(32)), bytes(range(16))


def entry(kind: EntryKind) -> LogEntry:
    return LogEntry(kind=kind, digest=DIGEST, tag=TAG if kind in TAGGED else b"")


@pytest.mark.parametrize("kind", EntryKind, ids=lambda kind: kind.name)
def test_an_entry_is_read_as_it_was_written(kind: EntryKind) -> None:
    data = entry(kind).encode()
    assert LogEntry.decode(data) == entry(kind)
    assert data == bytes([kind]) + DIGEST + (TAG if kind in TAGGED else b"")


def test_the_numbers_of_kinds_stay_what_they_are() -> None:
    assert {kind.name: int(kind) for kind in EntryKind} == {
        "PARTICIPANT": 1,
        "PERMISSION": 2,
        "MODEL_APPROVED": 3,
        "PASSKEY": 4,
        "CONSENT": 5,
        "CONSENT_CHANGE": 6,
        "REQUEST": 7,
        "ANSWER": 8,
        "REFUSAL": 9,
    }


@pytest.mark.parametrize("kind", EntryKind, ids=lambda kind: kind.name)
def test_a_digest_or_tag_of_another_length_is_refused(kind: EntryKind) -> None:
    data = entry(kind).encode()
    for wrong in (data[:-1], data + b"\0", data[:1], data[:33] if kind in TAGGED else data + TAG):
        with pytest.raises(MalformedMessage):
            LogEntry.decode(wrong)


def test_a_kind_that_is_not_known_is_refused() -> None:
    for wrong in (b"", b"\0" + DIGEST, b"\x0a" + DIGEST, b"\xff" + DIGEST):
        with pytest.raises(MalformedMessage):
            LogEntry.decode(wrong)


def test_the_tag_of_a_change_is_half_of_the_consent_s_digest() -> None:
    assert tag_of_consent(DIGEST) == TAG
    with pytest.raises(MalformedMessage):
        tag_of_consent(TAG)


@given(st.binary(max_size=60))
def test_only_our_error_comes_of_any_bytes(data: bytes) -> None:
    with suppress(MalformedMessage):
        assert LogEntry.decode(data).encode() == data
