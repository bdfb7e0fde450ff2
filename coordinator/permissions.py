"""Who may do what, as the bureau says it and the log has it: signed documents that are put into the outbox.

    permit, withdraw    a bank asks for scores by a model for a purpose; a department registers passkeys
    approve, retire     scores are given by a model, in one transaction with the registry
    submitted           what others have signed: a change of a consent, a permission that is a department's to give

A change takes effect with the next request: the process that serves takes it from the outbox before anything else.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Any, Final

from sqlalchemy import Connection

from coordinator.database import open_database
from coordinator.home import BureauHome
from coordinator.overview import day
from coordinator.registry import ModelRegistry
from coordinator.transparency_log import outbox, places
from crypto.errors import MalformedMessage, PeerError, SignatureInvalid, UntrustedKey
from crypto.identifiers import ModelVersion, ParticipantId, Role, RunId
from models.hosting.storage.database import Database
from models.wire.consent import Purpose
from models.wire.log_entry import EntryKind
from models.wire.model_approval import ModelApproval
from models.wire.permission import Action, Permission, Subject
from models.wire.signed_change import SignedChange

_log: Final = logging.getLogger("yurong.permissions")

USUAL_PURPOSES: Final = (Purpose.PRE_QUALIFICATION, Purpose.APPLICATION, Purpose.MONITORING)
"""What banks may ask for scores for when a model is approved, unless the operator says otherwise."""


def score_subjects(
    home: BureauHome, bank: ParticipantId, models: Iterable[ModelVersion], purposes: Iterable[Purpose]
) -> list[Subject]:
    """That a bank asks for scores by each of these models for each of these purposes."""
    return [
        Subject(action=Action.REQUEST_SCORES, grantor=home.participant_id, grantee=bank, model=model, purpose=purpose)
        for model in models
        for purpose in purposes
    ]


def registrar_subject(home: BureauHome, department: ParticipantId) -> Subject:
    """That a department registers passkeys of enterprises."""
    return Subject(action=Action.REGISTER_PASSKEYS, grantor=home.participant_id, grantee=department)


def say(home: BureauHome, subjects: Sequence[Subject], *, granted: bool) -> None:
    """Give or withdraw permissions: all of them or none.

    Raises `UntrustedKey` for a participant that is not admitted or of another role, `PeerError` for an unknown model.
    """
    for subject in subjects:
        _require_role(home, subject)
    with closing(open_database(home)) as database:
        known = {model.version for model in ModelRegistry(database).models()}
        if not {subject.model for subject in subjects} <= {None, *known}:
            raise PeerError("there is no such model here", advice="`yurong bureau models` lists them.")
        with database.begin() as connection:
            _put_permissions(connection, home, subjects, granted=granted)


def approve(home: BureauHome, version: ModelVersion, purposes: Iterable[Purpose] = USUAL_PURPOSES) -> None:
    """Open a model for scores, for these purposes of all its banks; raises as `ModelRegistry.approve`."""
    chosen = list(purposes)

    def also(connection: Connection) -> None:
        _put_approval(connection, home, version, approved=True)
        for bank in registry.banks(connection, version):
            _put_permissions(connection, home, score_subjects(home, bank, [version], chosen), granted=True)

    with closing(open_database(home)) as database:
        registry = ModelRegistry(database, clock=home.clock)
        registry.approve(version, also=also)


def retire(home: BureauHome, version: ModelVersion) -> None:
    """Close a model for scores, for good; raises as `ModelRegistry.retire`."""
    with closing(open_database(home)) as database:
        ModelRegistry(database, clock=home.clock).retire(
            version, also=lambda connection: _put_approval(connection, home, version, approved=False)
        )


def admitted(home: BureauHome, documents: Iterable[bytes]) -> None:
    """Put the documents of participants that were admitted, as they were handed over, into the log."""
    with closing(open_database(home)) as database, database.begin() as connection:
        for document in documents:
            outbox.put(connection, EntryKind.PARTICIPANT, document)


def submit(home: BureauHome, data: bytes) -> str:
    """Put what another has signed into the log; what it is. Raises a `PeerError` for what is none, or not to be taken.

    Of a change of a consent, departments alone can tell whether it is genuine.
    """
    try:
        SignedChange.decode(data).entry()
        kind, what = EntryKind.CONSENT_CHANGE, "a change of a consent"
    except MalformedMessage:
        _require_departments_word(home, data)
        kind, what = EntryKind.PERMISSION, "a permission"
    with closing(open_database(home)) as database, database.begin() as connection:
        outbox.put(connection, kind, data)
    return what


def took_part(home: BureauHome, database: Database, run: RunId, documents: Iterable[bytes]) -> None:
    """Put the words of departments that they take part in a run into the log, in one transaction.

    What is not signed by the department that it names, or is of something else, is left out: it would have no effect.
    """
    genuine = [document for document in documents if _says_of(home, run, document)]
    with database.begin() as connection:
        for document in genuine:
            outbox.put(connection, EntryKind.PERMISSION, document)


def _says_of(home: BureauHome, run: RunId, document: bytes) -> bool:
    try:
        _require_departments_word(home, document)
    except PeerError as fault:
        _log.warning("a department's word that it takes part is left out", extra={"error": fault})
        return False
    subject = Permission.claimed(document).subject
    return (subject.action, subject.run) == (Action.TAKE_PART, run)


def permission_rows(home: BureauHome, *, history: bool = False) -> list[dict[str, Any]]:
    """Permissions in force, in the order of the log; with `history` all that was ever said. What waits has no place."""
    with closing(open_database(home)) as database, database.reading() as connection:
        logged = places.documents(connection, {EntryKind.PERMISSION})
        waiting = [one.document for one in outbox.waiting(connection) if one.entry.kind is EntryKind.PERMISSION]
    said: list[tuple[int | None, bytes]] = [*logged.items(), *((None, document or b"") for document in waiting)]
    rows: dict[object, dict[str, Any]] = {}
    for number, (index, document) in enumerate(said):
        permission = Permission.claimed(document)
        key = number if history else permission.subject
        rows.pop(key, None)
        if history or permission.granted:
            rows[key] = _row(index, permission)
    return list(rows.values())


def _row(index: int | None, permission: Permission) -> dict[str, Any]:
    subject = permission.subject
    return {
        "leaf": index,
        "action": str(subject.action),
        "granted": permission.granted,
        "grantee": subject.grantee,
        "grantor": subject.grantor,
        "model": subject.model,
        "purpose": None if subject.purpose is None else str(subject.purpose),
        "run": subject.run,
        "at": day(permission.at),
    }


def _put_permissions(connection: Connection, home: BureauHome, subjects: Iterable[Subject], *, granted: bool) -> None:
    identity, now = home.identity(), int(home.clock.now())
    for subject in subjects:
        document = Permission(subject=subject, granted=granted, at=now).sign(identity)
        outbox.put(connection, EntryKind.PERMISSION, document)


def _put_approval(connection: Connection, home: BureauHome, version: ModelVersion, *, approved: bool) -> None:
    approval = ModelApproval(
        bureau=home.participant_id, model_version=version, approved=approved, at=int(home.clock.now())
    )
    outbox.put(connection, EntryKind.MODEL_APPROVED, approval.sign(home.identity()))


def _require_role(home: BureauHome, subject: Subject) -> None:
    role = Role.BANK if subject.action is Action.REQUEST_SCORES else Role.DEPARTMENT
    if home.pins.document(subject.grantee).role is not role:
        raise UntrustedKey(f"{subject.grantee} is admitted here, but not as a {role}")


def _require_departments_word(home: BureauHome, data: bytes) -> None:
    """Raise a `PeerError` unless `data` is a permission that a department which is admitted has signed."""
    permission = Permission.claimed(data)
    grantor = permission.subject.grantor
    for document in home.pins.documents().get(grantor, ()):
        if document.role is not Role.DEPARTMENT:
            continue
        try:
            Permission.verify(data, document.identity)
        except SignatureInvalid:
            continue
        return
    raise UntrustedKey(f"the permission is not signed by {grantor}, a department that is admitted here")
