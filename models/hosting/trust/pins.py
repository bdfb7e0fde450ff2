"""Whom a node trusts: the identities whose fingerprints were compared by telephone, and their signed documents.

| who        | learns                                                      |
|------------|-------------------------------------------------------------|
| this node  | everybody's documents; nobody else ever sees its pins       |

A participant's document is pinned with its fingerprint, once. Later ones with a higher serial need no telephone: the
same identity signed them, or the old one endorsed the new (`crypto.succession`). The document before stays in force
for a time of grace, because its owner may still use its keys; then the newest alone is. An older one never comes back.
No document may name a key that is in force under another name.

Any number of processes read and write the same book; whoever writes holds its lock and replaces the file as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from crypto.errors import ProtectionUnavailable, UntrustedKey, YurongError
from crypto.identifiers import ParticipantId, parse_participant_id
from crypto.identity import ParticipantDocument, parse_fingerprint
from crypto.succession import HandOver
from models.hosting.clock import Clock, SystemClock
from models.hosting.storage.files import Watched, locked, private_directory, private_file, remove_drafts

DOCUMENT_GRACE_SECONDS: Final = 7 * 24 * 3600
"""Documents stay in force for this long after a newer one was pinned: so long their owner has to finish a rotation.

Each newer one begins the time of all of them anew: of a rotation that was given up the newest document is not the one
that its owner still uses.
"""


@dataclass(frozen=True, slots=True)
class Pinned:
    """One document: its bytes, what they say, and when the last newer one was pinned (None for the newest)."""

    data: bytes
    document: ParticipantDocument
    superseded_at: float | None = None


@dataclass(frozen=True, slots=True)
class Trust:
    """What is pinned of one participant: the fingerprint of its newest identity, and documents, newest first."""

    fingerprint: bytes
    documents: tuple[Pinned, ...] = ()


Book = Mapping[ParticipantId, Trust]


@dataclass(frozen=True, slots=True)
class _Seen:
    """The documents in force in a book, which are these from `since` on and before `until`."""

    book: Book
    since: float
    until: float
    documents: Mapping[ParticipantId, tuple[ParticipantDocument, ...]]


class PinBook:
    """The pins in `directory`, which is made with the first of them."""

    def __init__(
        self, directory: Path, *, clock: Clock | None = None, grace_seconds: float = DOCUMENT_GRACE_SECONDS
    ) -> None:
        self.directory = directory
        self._clock: Clock = clock or SystemClock()
        self._grace_seconds = grace_seconds
        self._watched = Watched(directory / "pins.json", _read_book)
        self._seen: _Seen | None = None

    def pin(self, document: bytes, *, fingerprint: bytes | None = None) -> ParticipantDocument:
        """Trust what was handed over, from now on; return the document in it.

        `fingerprint` is what was compared with the participant by telephone. It may be left out if the pinned identity
        signed the document, or endorsed the new identity that did.

        Raises `UntrustedKey` if the identity is another than the telephone's or the pinned one, or the document is
        older than the pinned one; `SignatureInvalid` and `MalformedMessage` for what is not properly signed or formed.
        """
        return self.pin_all([(document, fingerprint)])[0]

    def pin_all(self, documents: Iterable[tuple[bytes, bytes | None]]) -> tuple[ParticipantDocument, ...]:
        """Pin several documents with their fingerprints as `pin` does: all of them, or none if one is refused."""
        handed = [(HandOver.split(data), fingerprint) for data, fingerprint in documents]
        pinned: list[ParticipantDocument] = []

        def extend(book: dict[ParticipantId, Trust]) -> None:
            for one, fingerprint in handed:
                document = one.verify_signed_by_itself()
                name = document.participant_id
                self._require_one_name(book, document)
                known = book.get(name)
                before = known and replace(known, documents=self._in_force(known))
                book[name] = _extended(before, one, document, fingerprint, self._clock.now())
                pinned.append(document)

        self._change(extend)
        return tuple(pinned)

    def pin_fingerprints(self, fingerprints: Mapping[ParticipantId, bytes]) -> None:
        """Trust identities whose documents are not known yet. The documents of another identity are forgotten."""

        def extend(book: dict[ParticipantId, Trust]) -> None:
            for name, fingerprint in fingerprints.items():
                known = book.get(parse_participant_id(name))
                if known is None or known.fingerprint != fingerprint:
                    book[name] = Trust(fingerprint)

        self._change(extend)

    def unpin(self, name: ParticipantId) -> None:
        """Forget a participant: identity, documents and serials. `UntrustedKey` if it is not pinned."""

        def forget(book: dict[ParticipantId, Trust]) -> None:
            if book.pop(name, None) is None:
                raise _not_pinned(name)

        self._change(forget)

    def names(self) -> tuple[ParticipantId, ...]:
        """Return everybody who is pinned, sorted."""
        return tuple(sorted(self._book()))

    def fingerprint(self, name: ParticipantId) -> bytes:
        """Return the fingerprint of a participant's newest identity; `UntrustedKey` if none is pinned."""
        return self._trust(name).fingerprint

    def fingerprints(self, name: ParticipantId) -> tuple[bytes, ...]:
        """Return the fingerprints of a participant's identities in force, newest first."""
        trust = self._trust(name)
        in_force = (one.document.identity.fingerprint() for one in self._in_force(trust))
        return tuple(dict.fromkeys((trust.fingerprint, *in_force)))

    def document(self, name: ParticipantId, serial: int | None = None) -> ParticipantDocument:
        """Return a participant's newest document, or the one of `serial`; `UntrustedKey` if that is not in force."""
        for one in self._in_force(self._trust(name)):
            if serial in (None, one.document.serial):
                return one.document
        which = "no document" if serial is None else f"no document with the serial {serial}"
        raise UntrustedKey(
            f"{which} of {name} is pinned and in force here",
            advice="Have it hand over its newest document, and pin it.",
        )

    def documents(self) -> Mapping[ParticipantId, tuple[ParticipantDocument, ...]]:
        """Return everybody's documents in force, each participant's newest first; the same object while they are."""
        book, now = self._book(), self._clock.now()
        seen = self._seen
        if seen is None or seen.book is not book or not seen.since <= now < seen.until:
            everybody = {name: self._in_force(trust) for name, trust in book.items()}
            documents = {name: tuple(one.document for one in found) for name, found in everybody.items() if found}
            ends = (one.superseded_at for found in everybody.values() for one in found if one.superseded_at is not None)
            until = min(ends, default=float("inf")) + self._grace_seconds
            seen = self._seen = _Seen(book, now, until, MappingProxyType(documents))
        return seen.documents

    def newest_documents(self) -> dict[ParticipantId, bytes]:
        """Return everybody's newest document, signed, as it travels."""
        return {name: trust.documents[0].data for name, trust in sorted(self._book().items()) if trust.documents}

    def verify(self, name: ParticipantId, data: bytes) -> ParticipantDocument:
        """Return the document in `data`, which others relayed, if it is one of those in force of `name`.

        Where the identity alone was pinned, any document that it signed is taken. Raises `UntrustedKey` for an older
        or unknown one, and what `ParticipantDocument.verify` raises.
        """
        trust = self._trust(name)
        found = self._in_force(trust)
        if not found:
            return ParticipantDocument.verify(data, trust.fingerprint)
        for one in found:
            if one.data == data:
                return one.document
        # Not one of ours: say first what is wrong with it by itself.
        ParticipantDocument.verify(data, trust.fingerprint)
        raise UntrustedKey(
            f"the document of {name} is not one that is pinned here",
            advice="Have it hand over its newest document, and pin that.",
        )

    def verify_signed(self, name: ParticipantId, data: bytes) -> ParticipantDocument:
        """Return the document in `data` if an identity in force of `name` signed it, even if it is an older one.

        For what was verified by `verify` when it came and is read again. Raises as `verify` does.
        """
        document = HandOver(data).verify_signed_by_itself()
        if document.identity.fingerprint() not in self.fingerprints(name):
            raise UntrustedKey(
                f"the identity in the document of {name} is not one that is pinned here",
                advice="Compare the fingerprints with the other side by telephone before you pin a new one.",
            )
        return document

    def _require_one_name(self, book: Book, document: ParticipantDocument) -> None:
        """Refuse keys that are in force under another name: whoever claims them would be taken for that one.

        A document is proven by its signing key alone. All else in it is public and may be copied from another's.
        """
        keys = _keys(document)
        for name, trust in book.items():
            if name == document.participant_id:
                continue
            if trust.fingerprint == document.identity.fingerprint():
                raise UntrustedKey(f"the identity of {document.participant_id} is pinned here as that of {name}")
            for one in self._in_force(trust):
                if claimed := sorted(kind for kind, key in _keys(one.document).items() if keys.get(kind) == key):
                    raise UntrustedKey(
                        f"the document of {document.participant_id} names the {claimed[0]} of {name}",
                        advice="Ask both by telephone; one of them claims what is the other's.",
                    )

    def _in_force(self, trust: Trust) -> tuple[Pinned, ...]:
        return _in_force(trust, self._clock.now() - self._grace_seconds)

    def _trust(self, name: ParticipantId) -> Trust:
        trust = self._book().get(name)
        if trust is None:
            raise _not_pinned(name)
        return trust

    def _book(self) -> Book:
        try:
            return self._watched.get()
        except FileNotFoundError:
            return {}

    def _change(self, change: Callable[[dict[ParticipantId, Trust]], None]) -> None:
        private_directory(self.directory)
        with locked(self.directory / "lock"):
            remove_drafts(self.directory)
            before = self._book()
            after = dict(before)
            change(after)
            if after != before:
                oldest = self._clock.now() - self._grace_seconds
                kept = {name: replace(one, documents=_in_force(one, oldest)) for name, one in after.items()}
                private_file(self._watched.path, _write_book(kept))


def _extended(
    trust: Trust | None, handed: HandOver, document: ParticipantDocument, fingerprint: bytes | None, now: float
) -> Trust:
    """Return what is pinned of a participant after `handed` was pinned; `trust`: what was before, in force still."""
    name, identity = document.participant_id, document.identity.fingerprint()
    if fingerprint is not None and identity != fingerprint:
        raise UntrustedKey(
            f"the document of {name} has another fingerprint than the one given",
            advice="Compare the fingerprints by telephone; if they differ, do not pin it.",
        )
    if trust is None:
        if fingerprint is None:
            raise UntrustedKey(
                f"{name} is not pinned here, and no fingerprint was given",
                advice="Compare its fingerprint by telephone, and give it.",
            )
        return Trust(identity, (Pinned(handed.document, document),))
    if handed.document in [one.data for one in trust.documents[:1]]:
        return trust
    if fingerprint is None and identity != trust.fingerprint:
        _require_endorsement(trust, handed, document)
    for newest in trust.documents[:1]:
        _require_newer(newest.document, document)
    older = tuple(replace(one, superseded_at=now) for one in trust.documents)
    return Trust(identity, (Pinned(handed.document, document), *older))


def _require_endorsement(trust: Trust, handed: HandOver, document: ParticipantDocument) -> None:
    if not handed.endorsement:
        raise UntrustedKey(
            f"the document of {document.participant_id} is of another identity than the one pinned here",
            advice="Compare its fingerprint by telephone, and give it; or have it hand over its succession.",
        )
    handed.verify_endorsed_by(trust.fingerprint)


def _keys(document: ParticipantDocument) -> dict[str, bytes]:
    """Every public key in a document that somebody may be known by."""
    keys = {
        "signing key": document.identity.signing_key,
        "agreement key": document.identity.agreement_key,
        "TLS certificate": document.certificate,
        "node key": document.node_key,
    }
    return {kind: key for kind, key in keys.items() if key}


def _require_newer(pinned: ParticipantDocument, document: ParticipantDocument) -> None:
    name = document.participant_id
    if document.role is not pinned.role:
        raise UntrustedKey(f"the document of {name} names another role than the one pinned here")
    if document.serial <= pinned.serial:
        raise UntrustedKey(
            f"the document of {name} has the serial {document.serial}; {pinned.serial} is pinned here",
            advice="Have it hand over its newest document. After a loss of all its keys, unpin it first.",
        )


def _in_force(trust: Trust, oldest: float) -> tuple[Pinned, ...]:
    return tuple(one for one in trust.documents if one.superseded_at is None or one.superseded_at > oldest)


def _not_pinned(name: ParticipantId) -> UntrustedKey:
    return UntrustedKey(
        f"{name} is not pinned here", advice="compare its fingerprint by telephone and pin its document first"
    )


def _write_book(book: Book) -> bytes:
    fields = {
        name: {
            "documents": [
                {"document": one.data.decode("utf-8"), "superseded_at": one.superseded_at} for one in trust.documents
            ],
            "fingerprint": trust.fingerprint.hex(),
        }
        for name, trust in book.items()
    }
    return json.dumps(fields, ensure_ascii=False, indent=1, sort_keys=True).encode()


def _read_book(data: bytes) -> Book:
    try:
        return {
            parse_participant_id(name): Trust(
                parse_fingerprint(fields["fingerprint"]),
                tuple(_read_pinned(one["document"].encode(), one["superseded_at"]) for one in fields["documents"]),
            )
            for name, fields in json.loads(data).items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, YurongError):
        raise ProtectionUnavailable("the book of pins is damaged", advice="restore it from the backup") from None


def _read_pinned(data: bytes, superseded_at: float | None) -> Pinned:
    return Pinned(data, _verified(data), superseded_at)


@lru_cache(maxsize=1024)
def _verified(data: bytes) -> ParticipantDocument:
    return HandOver(data).verify_signed_by_itself()
