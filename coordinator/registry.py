"""The models that the bureau knows of, and which of them scores are given by.

    proposed   a run ended with it; nobody is answered by it yet
    approved   an operator opened it for scores
    retired    closed, for good

A model is its manifest, whose SHA-256 is the version, its card, and the signed documents of who holds its blocks. It
holds no weight and no enterprise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, select, update
from sqlalchemy.dialects import postgresql, sqlite

from coordinator.database.tables import model_members, models
from coordinator.scores.scoring import ServedModel
from crypto.documents import parse_canonical_json
from crypto.errors import MalformedMessage, PeerError, ProtocolStateError
from crypto.identifiers import ModelVersion, ParticipantId, Role, RunId
from crypto.identity import ParticipantDocument
from crypto.succession import HandOver
from models.hosting.clock import Clock, SystemClock
from models.hosting.storage.database import Database

VERSION_DIGITS: Final = 32
"""Of a version: so much of its manifest's SHA-256, in hexadecimal."""


Also = Callable[[Connection], None]
"""Writes something in a transaction of the registry."""


def _nothing(_connection: Connection) -> None:
    """Nothing else is written."""


class ModelState(StrEnum):
    """How far a model came."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredModel:
    """One model. `fingerprints`: SHA-256 of each holder's block. Times in seconds since 1970."""

    version: ModelVersion
    run_id: RunId
    state: ModelState
    manifest: bytes
    card: str
    fingerprints: Mapping[ParticipantId, bytes]
    proposed_at: int
    approved_at: int | None
    approved_by: str | None
    retired_at: int | None


class ModelRegistry:
    """The registry in one database. Several processes may use it at once."""

    def __init__(self, database: Database, *, clock: Clock | None = None) -> None:
        self._database = database
        self._clock = clock or SystemClock()

    def propose(
        self, version: ModelVersion, manifest: bytes, card: str, documents: Mapping[ParticipantId, bytes]
    ) -> None:
        """Take in the model that a run ended with; again changes nothing.

        `documents`: signed, of each holder of a block at least, as the run verified them. Raises `MalformedMessage` if
        the manifest is not the version's or a document is missing, and what the documents' verification raises.
        """
        blocks = _blocks(version, manifest)
        if not blocks.keys() <= documents.keys():
            raise MalformedMessage("a model is proposed without the documents of all who hold its blocks")
        members = [_member(version, name, documents[name], fingerprint) for name, fingerprint in blocks.items()]
        row = {
            "model_version": version,
            "run_id": parse_canonical_json(manifest)["run_id"],
            "manifest": manifest,
            "model_card": card,
            "state": ModelState.PROPOSED,
            "proposed_at": self._now(),
        }
        with self._database.begin() as connection:
            insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
            new = insert(models).on_conflict_do_nothing().returning(models.c.model_version)
            if connection.execute(new, row).first() is not None:
                connection.execute(model_members.insert(), members)

    def approve(self, version: ModelVersion, *, by: str = "operator", also: Also = _nothing) -> None:
        """Open a model for scores; raises `PeerError` for an unknown one, `ProtocolStateError` for a retired one.

        One that is open stays so. `also`: what else is written in the same transaction, whichever it was.
        """
        changed = {"state": ModelState.APPROVED, "approved_at": self._now(), "approved_by": by}
        with self._database.begin() as connection:
            state = _state(connection, version)
            if state is ModelState.RETIRED:
                raise ProtocolStateError("a retired model is not opened again", advice="Train another one.")
            if state is ModelState.PROPOSED:
                connection.execute(update(models).where(models.c.model_version == version), changed)
            also(connection)

    def retire(self, version: ModelVersion, *, also: Also = _nothing) -> None:
        """Close a model for scores, for good; raises `PeerError` for an unknown one. `also`: as of `approve`."""
        changed = {"state": ModelState.RETIRED, "retired_at": self._now()}
        with self._database.begin() as connection:
            if _state(connection, version) is not ModelState.RETIRED:
                connection.execute(update(models).where(models.c.model_version == version), changed)
                also(connection)

    @staticmethod
    def banks(connection: Connection, version: ModelVersion) -> list[ParticipantId]:
        """The banks of a model."""
        chosen = select(model_members.c.participant_id).where(
            model_members.c.model_version == version, model_members.c.role == Role.BANK
        )
        return sorted(map(ParticipantId, connection.execute(chosen).scalars()))

    def models(self) -> tuple[RegisteredModel, ...]:
        """All models, the oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(select(models).order_by(models.c.proposed_at, models.c.model_version)).mappings()
            return tuple(_registered(connection, row) for row in rows.all())

    def model(self, version: ModelVersion) -> RegisteredModel:
        """One model; raises `PeerError` for an unknown one."""
        chosen = select(models).where(models.c.model_version == version)
        with self._database.reading() as connection:
            row = connection.execute(chosen).mappings().first()
            if row is None:
                raise _unknown()
            return _registered(connection, row)

    def served(self) -> list[ServedModel]:
        """What scores are given by at this moment."""
        chosen = select(models.c.model_version).where(models.c.state == ModelState.APPROVED)
        with self._database.reading() as connection:
            versions = connection.execute(chosen.order_by(models.c.approved_at, models.c.model_version)).scalars()
            return [_served(connection, ModelVersion(version)) for version in versions.all()]

    def _now(self) -> int:
        return int(self._clock.now())


def _blocks(version: ModelVersion, manifest: bytes) -> dict[ParticipantId, bytes]:
    """The fingerprint of each holder's block, if the manifest is this version's."""
    # Here and in `participants.model_store`: the one side does not import the other.
    if hashlib.sha256(manifest).hexdigest()[:VERSION_DIGITS] != version:
        raise MalformedMessage("a model's manifest is not that of its version")
    fields = parse_canonical_json(manifest)
    try:
        return {
            ParticipantId(name): bytes.fromhex(block["fingerprint"]) for name, block in dict(fields["blocks"]).items()
        }
    except (KeyError, TypeError, ValueError):
        raise MalformedMessage("a model's manifest does not name its blocks") from None


def _member(version: ModelVersion, name: ParticipantId, data: bytes, fingerprint: bytes) -> dict[str, Any]:
    document = HandOver(data).verify_signed_by_itself()
    if document.participant_id != name:
        raise MalformedMessage("a participant's document is another's")
    return {
        "model_version": version,
        "participant_id": name,
        "role": document.role,
        "document": data,
        "block_fingerprint": fingerprint,
    }


def _state(connection: Connection, version: ModelVersion) -> ModelState:
    """How far a model came; nobody changes that before the transaction ends."""
    found = select(models.c.state).where(models.c.model_version == version).with_for_update()
    state = connection.execute(found).scalar()
    if state is None:
        raise _unknown()
    return ModelState(state)


def _unknown() -> PeerError:
    return PeerError("there is no such model here", advice="`yurong bureau models` lists them.")


def _registered(connection: Connection, row: RowMapping) -> RegisteredModel:
    holders = select(model_members.c.participant_id, model_members.c.block_fingerprint)
    found = connection.execute(holders.where(model_members.c.model_version == row["model_version"]))
    return RegisteredModel(
        version=ModelVersion(row["model_version"]),
        run_id=RunId(row["run_id"]),
        state=ModelState(row["state"]),
        manifest=row["manifest"],
        card=row["model_card"],
        fingerprints={ParticipantId(name): fingerprint for name, fingerprint in found},
        proposed_at=row["proposed_at"],
        approved_at=row["approved_at"],
        approved_by=row["approved_by"],
        retired_at=row["retired_at"],
    )


def _served(connection: Connection, version: ModelVersion) -> ServedModel:
    chosen = select(model_members.c.document).where(model_members.c.model_version == version)
    documents: list[ParticipantDocument] = [
        HandOver(data).verify_signed_by_itself() for data in connection.execute(chosen).scalars()
    ]
    return ServedModel(
        version=version,
        departments=tuple(sorted(one.participant_id for one in documents if one.role is Role.DEPARTMENT)),
        banks={one.participant_id: one for one in documents if one.role is Role.BANK},
    )
