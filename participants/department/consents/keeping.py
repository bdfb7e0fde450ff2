"""The consents that a department keeps: each verified when it is handed in, never changed, found by its digest.

A bank hands a consent in through the bureau, sealed to this department. That a passkey of the enterprise signed it, and
that a registrar bound the passkey, is verified once, here. What may change since is looked at for each request: where
it stands in the log, its state, its uses (`checks.py`).

A change comes with the log. It may also be handed to this department by anybody, say by an enterprise whose bureau
gives it no receipt. What restricts counts at once then; what opens counts in the log alone, where the enterprise sees
it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

from sqlalchemy import Connection

from crypto.documents import parse_json_object
from crypto.errors import PeerError
from crypto.identifiers import ParticipantId, Role
from crypto.labels import Label
from crypto.passkeys import RelyingParty
from crypto.sealed import unseal
from models.consent.rules import packaged_rules, require_within_rules
from models.hosting.https.door import own_documents
from models.hosting.storage.database import Database
from models.hosting.storage.statement import Prepared
from models.wire.consent import Consent
from models.wire.consent_bundle import ConsentBundle
from models.wire.consent_change import ConsentChange, What
from models.wire.deposit import SealedConsent, consent_context
from models.wire.log_entry import EntryKind, tag_of_consent, tag_of_passkey, use_tag
from models.wire.passkey_binding import PasskeyBinding, Registrars, digest_of_binding
from models.wire.signed_change import SignedChange
from participants.department.log.entries import notices_of_tag
from participants.home import Home

AT_HAND: Final = 4096
_RESTRICTS: Final = frozenset({What.PAUSE, What.REVOKE, What.REJECT})

_KEEP: Final = Prepared(
    "INSERT INTO consents (digest, bundle, kept_at) VALUES (:digest, :bundle, :now) ON CONFLICT DO NOTHING"
)
_KEPT: Final = Prepared("SELECT bundle FROM consents WHERE digest = :digest")
_HAND: Final = Prepared(
    "INSERT INTO handed_changes (digest, tag, document, handed_at) VALUES (:digest, :tag, :document, :now)"
    " ON CONFLICT DO NOTHING"
)
_HANDED: Final = Prepared("SELECT document FROM handed_changes WHERE tag = :tag ORDER BY handed_at, digest")


@dataclass(frozen=True, eq=False, repr=False)
class KeptConsent:
    """A consent that was verified, and its digest. registrar: who bound the passkey that signed it."""

    consent: Consent
    digest: bytes
    registrar: ParticipantId
    binding_document: bytes
    use_key: bytes

    @classmethod
    def of(cls, bundle: ConsentBundle, digest: bytes) -> Self:
        """What a bundle says that was verified when it was taken in. It is read for each request, so no more of it."""
        document = bundle.binding.document
        return cls(
            consent=Consent.read_kept(bundle.consent),
            digest=digest,
            registrar=ParticipantId(parse_json_object(document)["registrar"]),
            binding_document=document,
            use_key=bundle.use_key,
        )

    @cached_property
    def binding(self) -> PasskeyBinding:
        """That the passkey is the enterprise's."""
        return PasskeyBinding.decode(self.binding_document)

    @property
    def binding_digest(self) -> bytes:
        """What the log has of the binding."""
        return digest_of_binding(self.binding_document)

    @property
    def passkey_tag(self) -> bytes:
        """What the log's entries about the passkey have in common."""
        return tag_of_passkey(self.consent.signatory.credential_id)

    def tag(self, number: int) -> bytes:
        """The tag (16 bytes) of the use of this number."""
        return use_tag(self.use_key, number)


class ConsentStore:
    """The consents in one department's database. Any number of threads may use it at once."""

    def __init__(self, home: Home, database: Database, relying_party: RelyingParty) -> None:
        self._home, self._database, self._relying_party = home, database, relying_party
        self._kept: OrderedDict[bytes, KeptConsent] = OrderedDict()
        self._verified: OrderedDict[bytes, ConsentChange] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, sealed: SealedConsent) -> bytes:
        """Open a consent that was sealed to this department, verify and keep it; return its digest."""
        context = consent_context(ParticipantId(sealed.bank), self._home.participant_id)
        for identity in self._home.identities().values():
            try:
                plaintext = unseal(identity, sealed.box, label=Label.SEALED_CONSENT, context=context)
            except PeerError:
                continue
            return self.keep(ConsentBundle.decode(plaintext))
        raise PeerError("a sealed consent does not open under this department's keys")

    def keep(self, bundle: ConsentBundle) -> bytes:
        """Verify a consent and keep it; return its digest. Again changes nothing.

        Raises a `PeerError` for one that the enterprise did not give, that passes the fair-use rules or that does not
        name this department.
        """
        consent = bundle.verify(self._registrars(), self._relying_party)
        require_within_rules(consent, packaged_rules())
        if self._home.participant_id not in consent.providers:
            raise PeerError("a consent that does not name this department was handed in here")
        digest = consent.digest()
        with self._database.begin() as connection:
            _KEEP.run(connection, digest=digest, bundle=bundle.encode(), now=int(self._home.clock.now()))
        return digest

    def find(self, connection: Connection, digest: bytes) -> KeptConsent | None:
        """The consent of this digest, if this department keeps it."""
        with self._lock:
            if digest in self._kept:
                self._kept.move_to_end(digest)
                return self._kept[digest]
        row = _KEPT.run(connection, digest=digest).fetchone()
        if row is None:
            return None
        kept = KeptConsent.of(ConsentBundle.decode(bytes(row[0])), digest)
        with self._lock:
            self._kept[digest] = kept
            if len(self._kept) > AT_HAND:
                self._kept.popitem(last=False)
        return kept

    def hand_in(self, change: SignedChange) -> ConsentChange:
        """Keep a change that was handed to this department itself; raises a `PeerError` for one that is not genuine.

        One that resumes a consent is not taken: it counts once it is in the log.
        """
        claimed = change.claimed()
        with self._database.begin() as connection:
            kept = self.find(connection, claimed.consent_digest)
            if kept is None:
                raise PeerError("a change of a consent that is not kept here", advice="It needs no change.")
            if claimed.what not in _RESTRICTS:
                raise PeerError("a consent is resumed through the log alone", advice="Hand it to the bureau.")
            verified = change.verify(kept.consent, kept.binding.passkey, self._relying_party)
            _HAND.run(
                connection,
                digest=verified.digest(),
                tag=tag_of_consent(kept.digest),
                document=change.encode(),
                now=int(self._home.clock.now()),
            )
        return verified

    def changes(self, connection: Connection, kept: KeptConsent) -> list[ConsentChange]:
        """Every genuine change of a consent that counts, in the order in which they count.

        Those that were handed in come first: each restricts, and a later resumption in the log ends a pause.
        """
        tag = tag_of_consent(kept.digest)
        handed = [bytes(row[0]) for row in _HANDED.run(connection, tag=tag).fetchall()]
        logged = [notice.document for notice in notices_of_tag(connection, EntryKind.CONSENT_CHANGE, tag)]
        found = (self._genuine(kept, document) for document in (*handed, *logged))
        return [change for change in found if change is not None]

    def _genuine(self, kept: KeptConsent, document: bytes) -> ConsentChange | None:
        """The change, if the consent's passkey signed it: anybody can have anything logged."""
        with self._lock:
            if document in self._verified:
                return self._verified[document]
        try:
            change = SignedChange.decode(document).verify(kept.consent, kept.binding.passkey, self._relying_party)
        except PeerError:
            return None
        with self._lock:
            self._verified[document] = change
            if len(self._verified) > AT_HAND:
                self._verified.popitem(last=False)
        return change

    def _registrars(self) -> Registrars:
        """Every department that is pinned. Which of them may register passkeys is asked for each request."""
        known = {**self._home.pins.documents(), self._home.participant_id: own_documents(self._home)}
        return {
            name: [one.identity for one in documents if one.role is Role.DEPARTMENT]
            for name, documents in known.items()
        }
