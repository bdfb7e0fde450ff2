"""What is remembered of the log's entries: first places, the first of a use, documents that count, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import MalformedMessage
from crypto.identifiers import ModelVersion, ParticipantId
from crypto.identity import Identity
from models.hosting.storage.database import Database
from models.wire.consent_change import ConsentChange, Reason, What
from models.wire.log_entry import PUBLIC, EntryKind, LogEntry, tag_of_consent
from models.wire.logged import entry_of
from models.wire.model_approval import ModelApproval
from models.wire.permission import Action, Permission, Subject
from models.wire.signed_change import SignedChange
from participants.department.log.entries import (
    LoggedUse,
    Notice,
    notices_of_kind,
    notices_of_tag,
    position_of,
    read_entries,
    remember,
    use_of,
)

BUREAU = Identity.generate()
CONSENT, PASSKEY = b"c" * 32, b"p" * 32
SUBJECT = Subject(action=Action.REGISTER_PASSKEYS, grantor=ParticipantId("bureau"), grantee=ParticipantId("tax"))
PERMISSION = Permission(subject=SUBJECT, granted=True, at=1).sign(BUREAU)
APPROVAL = ModelApproval(
    bureau=ParticipantId("bureau"), model_version=ModelVersion("0" * 32), approved=True, at=1
).sign(BUREAU)
CHANGE = SignedChange(
    change=ConsentChange(consent_digest=CONSENT, what=What.REVOKE, at=1, reason=Reason.OTHER).encode(), assertion=b"a"
).encode()


def public(kind: EntryKind, document: bytes) -> tuple[LogEntry, bytes]:
    return entry_of(kind, document), document


def request(tag: bytes, digest: bytes) -> tuple[LogEntry, bytes]:
    return LogEntry(kind=EntryKind.REQUEST, digest=digest, tag=tag), b""


ENTRIES = [
    (LogEntry(kind=EntryKind.PASSKEY, digest=PASSKEY, tag=bytes(16)), b""),
    public(EntryKind.PERMISSION, PERMISSION),
    (LogEntry(kind=EntryKind.CONSENT, digest=CONSENT), b""),
    public(EntryKind.MODEL_APPROVED, APPROVAL),
    request(b"t" * 16, b"1" * 32),
    public(EntryKind.CONSENT_CHANGE, CHANGE),
    request(b"t" * 16, b"2" * 32),
    (LogEntry(kind=EntryKind.ANSWER, digest=b"9" * 32), b""),
    (LogEntry(kind=EntryKind.CONSENT, digest=CONSENT), b""),
    public(EntryKind.PERMISSION, PERMISSION),
]


def keep(database: Database, *, without: EntryKind | None = None) -> None:
    with database.begin() as connection:
        remember(connection, 10, ENTRIES, now=77, counts=lambda kind, _: kind is not without)


def test_the_first_place_of_a_document_and_of_a_use_counts(department_database: Database) -> None:
    keep(department_database)
    with department_database.reading() as connection:
        assert (position_of(connection, PASSKEY), position_of(connection, CONSENT)) == (10, 12)
        assert position_of(connection, b"9" * 32) is None
        assert use_of(connection, b"t" * 16) == LoggedUse(14, b"1" * 32, 77)
        assert use_of(connection, b"u" * 16) is None


def test_public_documents_are_found_by_kind_and_by_tag_in_the_order_of_the_log(department_database: Database) -> None:
    keep(department_database)
    with department_database.reading() as connection:
        permissions = [Notice(11, PERMISSION), Notice(19, PERMISSION)]
        assert notices_of_kind(connection, EntryKind.PERMISSION) == permissions
        assert notices_of_kind(connection, EntryKind.PERMISSION, start=12) == permissions[1:]
        assert notices_of_kind(connection, EntryKind.MODEL_APPROVED) == [Notice(13, APPROVAL)]
        tag = tag_of_consent(CONSENT)
        assert notices_of_tag(connection, EntryKind.CONSENT_CHANGE, tag) == [Notice(15, CHANGE)]
        assert notices_of_tag(connection, EntryKind.CONSENT_CHANGE, bytes(16)) == []
        assert notices_of_tag(connection, EntryKind.PERMISSION, tag) == []


def test_a_document_that_does_not_count_is_not_remembered(department_database: Database) -> None:
    keep(department_database, without=EntryKind.PERMISSION)
    with department_database.reading() as connection:
        assert notices_of_kind(connection, EntryKind.PERMISSION) == []
        assert len(notices_of_kind(connection, EntryKind.MODEL_APPROVED)) == 1


def test_entries_are_read_with_the_documents_of_the_public_ones() -> None:
    entries = [entry.encode() for entry, _ in ENTRIES]
    documents = [document for entry, document in ENTRIES if entry.kind in PUBLIC]
    assert read_entries(entries, documents) == ENTRIES
    assert read_entries([], []) == []
    swapped = [documents[1], documents[0], *documents[2:]]
    for wrong in (documents[:-1], [*documents, PERMISSION], swapped, [b"", *documents[1:]]):
        with pytest.raises(MalformedMessage):
            read_entries(entries, wrong)


@given(st.lists(st.binary(max_size=60), max_size=4), st.lists(st.binary(max_size=60), max_size=4))
def test_only_our_error_escapes_what_reads_entries(entries: list[bytes], documents: list[bytes]) -> None:
    try:
        read = read_entries(entries, documents)
    except MalformedMessage:
        return
    assert [entry.encode() for entry, _ in read] == entries
