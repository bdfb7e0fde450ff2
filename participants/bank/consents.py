"""The consents that a bank asks under.

    keep       a consent that an enterprise gave this bank, verified as every department will
    use        the next use of one that allows the purpose, for a request: each request id has one number
    made       which request was the first under its id: those that take its place name it

Under one number a consent answers one request, whichever is first in the log. So no two requests of this bank are
given the same one, however many processes ask.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from sqlalchemy import Connection, Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from crypto.errors import PeerError
from crypto.identifiers import EnterpriseId, ParticipantId, RequestId, Role
from crypto.passkeys import RelyingParty
from models.consent.rules import packaged_rules, require_within_rules
from models.consent.uses import UsesLeft, uses_left
from models.hosting.storage.database import Database
from models.wire.consent import Consent, Purpose
from models.wire.consent_bundle import ConsentBundle
from models.wire.log_entry import use_tag
from participants.bank.database.tables import consent_uses, consents
from participants.bank.errors import ConsentNotTaken, NoConsent
from participants.home import Home

_ATTEMPTS: Final = 100
"""So often a number is looked for that nobody else takes at the same moment."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ConsentUse:
    """One use of a consent. digest: of the consent. tag: what the log's entry is found by.

    follows: digest of the first request under the same id, if there was one, or nothing.
    """

    consent: Consent
    digest: bytes
    number: int
    tag: bytes
    follows: bytes = b""


class Consents(Protocol):
    """Where a bank finds what it asks under."""

    def use(self, enterprise_id: EnterpriseId, purpose: Purpose, request_id: RequestId, *, now: float) -> ConsentUse:
        """A use for this request; the same one for the same id. Raises `NoConsent`."""
        ...

    def made(self, request_id: RequestId, digest: bytes) -> None:
        """A request of this digest is about to be sent under this id."""
        ...

    def refused(self, request_id: RequestId, why: str) -> None:
        """A request was refused for its consent."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class HeldConsent:
    """A consent as this bank has it. uses: so many requests were made under it. missing: who does not have it yet.

    ended: why it is not used any more, as a department said, or nothing.
    """

    consent: Consent
    digest: bytes
    bundle: ConsentBundle
    uses: int
    receipt: bytes | None
    missing: tuple[ParticipantId, ...]
    ended: str


class ConsentBook:
    """A `Consents` in the bank's database. Several threads and processes may use it at once."""

    def __init__(self, home: Home, database: Database, relying_party: RelyingParty) -> None:
        self._home, self._database, self._relying_party = home, database, relying_party

    def keep(self, bundle: ConsentBundle) -> HeldConsent:
        """Verify a consent and keep it; again changes nothing. Raises `ConsentNotTaken`."""
        registrars = {
            name: [one.identity for one in documents if one.role is Role.DEPARTMENT]
            for name, documents in self._home.pins.documents().items()
        }
        try:
            consent = bundle.verify(registrars, self._relying_party)
            require_within_rules(consent, packaged_rules())
        except PeerError as fault:
            raise ConsentNotTaken(fault.message, advice=fault.advice) from None
        if consent.recipient != self._home.participant_id:
            raise ConsentNotTaken("this consent is to another bank", advice="Ask the enterprise for one to this bank.")
        row = {
            "digest": consent.digest(),
            "consent_id": consent.consent_id,
            "enterprise_id": consent.enterprise_id,
            "purpose": consent.purpose.value,
            "expires_at": consent.expires_at,
            "bundle": bundle.encode(),
            "kept_at": int(self._home.clock.now()),
            "missing": json.dumps(consent.providers),
        }
        with self._database.begin() as connection:
            if connection.execute(select(consents.c.digest).where(consents.c.digest == row["digest"])).first() is None:
                connection.execute(insert(consents), row)
        return self.find(consent.digest())

    def find(self, digest: bytes) -> HeldConsent:
        """The consent of this digest; raises `ConsentNotTaken` if this bank has none."""
        with self._database.reading() as connection:
            row = connection.execute(select(consents).where(consents.c.digest == digest)).first()
            if row is None:
                raise ConsentNotTaken("this bank has no such consent")
            return _held(connection, row)

    def all(self, *, most: int | None = None) -> list[HeldConsent]:
        """Every consent, the newest first; or the newest of them, so many."""
        newest = select(consents).order_by(consents.c.kept_at.desc(), consents.c.digest).limit(most)
        with self._database.reading() as connection:
            return [_held(connection, row) for row in connection.execute(newest).all()]

    def left(self, held: HeldConsent, *, now: float) -> UsesLeft:
        """How often this bank may still ask under a consent; departments count for themselves."""
        with self._database.reading() as connection:
            return uses_left(held.consent, _times_of_use(connection, held.digest), int(now))

    def handed_in(self, digest: bytes, receipt: bytes, missing: Sequence[str]) -> None:
        """The bureau has logged a consent, and all departments but these have it."""
        changed = {"receipt": receipt, "missing": json.dumps(list(missing)), "ended": None}
        with self._database.begin() as connection:
            connection.execute(update(consents).where(consents.c.digest == digest), changed)

    def refused(self, request_id: RequestId, why: str) -> None:
        """The consent of a request is not used any more, for this type of problem, until it is handed in again."""
        of_this = select(consent_uses.c.consent).where(consent_uses.c.request_id == request_id).scalar_subquery()
        with self._database.begin() as connection:
            connection.execute(update(consents).where(consents.c.digest == of_this), {"ended": why})

    def use(self, enterprise_id: EnterpriseId, purpose: Purpose, request_id: RequestId, *, now: float) -> ConsentUse:
        """A use for this request: of the consent that ends first among those that allow it."""
        for _ in range(_ATTEMPTS):
            try:
                with self._database.begin() as connection:
                    if (known := _use_of(connection, request_id)) is not None:
                        return known
                    return self._take(connection, enterprise_id, purpose, request_id, int(now))
            except IntegrityError:  # somebody else took the number at the same moment
                continue
        raise NoConsent(purpose)

    def made(self, request_id: RequestId, digest: bytes) -> None:
        """Remember the first request under an id."""
        of_this = (consent_uses.c.request_id == request_id) & consent_uses.c.first_digest.is_(None)
        with self._database.begin() as connection:
            connection.execute(update(consent_uses).where(of_this), {"first_digest": digest})

    def _take(
        self, connection: Connection, enterprise_id: EnterpriseId, purpose: Purpose, request_id: RequestId, now: int
    ) -> ConsentUse:
        possible = (
            (consents.c.enterprise_id == enterprise_id)
            & (consents.c.purpose == purpose.value)
            & (consents.c.expires_at > now)
            & consents.c.ended.is_(None)
            & consents.c.receipt.is_not(None)
        )
        for row in connection.execute(select(consents).where(possible).order_by(consents.c.expires_at)).all():
            consent = ConsentBundle.decode(row.bundle).claimed()
            used_at = _times_of_use(connection, row.digest)
            if consent.valid_from > now or not uses_left(consent, used_at, now).this_month:
                continue
            highest = select(func.max(consent_uses.c.number)).where(consent_uses.c.consent == row.digest)
            last = connection.execute(highest).scalar()
            taken = {"number": 0 if last is None else last + 1, "consent": row.digest, "request_id": request_id}
            connection.execute(insert(consent_uses), taken | {"used_at": now})
            return _the_use(row.bundle, taken["number"], b"")
        raise NoConsent(purpose)


def _use_of(connection: Connection, request_id: RequestId) -> ConsentUse | None:
    found = select(consents.c.bundle, consent_uses.c.number, consent_uses.c.first_digest).where(
        (consent_uses.c.request_id == request_id) & (consents.c.digest == consent_uses.c.consent)
    )
    row = connection.execute(found).first()
    return None if row is None else _the_use(row.bundle, row.number, row.first_digest or b"")


def _times_of_use(connection: Connection, digest: bytes) -> list[int]:
    """When each use of a consent was taken, in seconds since 1970."""
    of_this = select(consent_uses.c.used_at).where(consent_uses.c.consent == digest)
    return list(connection.execute(of_this).scalars())


def _the_use(data: bytes, number: int, follows: bytes) -> ConsentUse:
    bundle = ConsentBundle.decode(data)
    consent = bundle.claimed()
    tag = use_tag(bundle.use_key, number)
    return ConsentUse(consent=consent, digest=consent.digest(), number=number, tag=tag, follows=follows)


def _held(connection: Connection, row: Row[tuple[object, ...]]) -> HeldConsent:
    bundle = ConsentBundle.decode(row.bundle)
    uses = select(func.count()).select_from(consent_uses).where(consent_uses.c.consent == row.digest)
    return HeldConsent(
        consent=bundle.claimed(),
        digest=row.digest,
        bundle=bundle,
        uses=connection.execute(uses).scalar_one(),
        receipt=row.receipt,
        missing=tuple(ParticipantId(name) for name in json.loads(row.missing)),
        ended=row.ended or "",
    )
