"""Consents that a department keeps: those that an enterprise gave, as it gave them, with every change that counts."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select

from crypto.errors import MalformedMessage, PeerError, SignatureInvalid, UntrustedKey
from crypto.identifiers import ParticipantId
from crypto.identity import Identity
from crypto.labels import Label
from crypto.sealed import seal
from models.consent.errors import BeyondFairUse
from models.hosting.storage.database import Database
from models.wire.consent_bundle import ConsentBundle
from models.wire.consent_change import What
from models.wire.deposit import SealedConsent, consent_context
from models.wire.log_entry import EntryKind, use_key_digest, use_tag
from models.wire.signed_change import SignedChange
from participants.department.consents import keeping
from participants.department.consents.keeping import ConsentStore
from participants.department.database.tables import consents, handed_changes
from participants.department.log.view import LogView
from simulations.enterprise.drawn_consent import CREATED, drawn_consent
from simulations.enterprise.signatory import Signatory
from simulations.local_log import PAGES
from simulations.online_rehearsal import SetClock
from simulations.shown_log import DEPARTMENTS, ME, ShownLog
from simulations.witnessed_log import BUREAU

BANK, REGISTRAR = ParticipantId("bank"), DEPARTMENTS[0]


class Kept:
    """A department's store, an enterprise's signatory, and the log."""

    def __init__(self, directory: Path, database: Database) -> None:
        self.log, self.database = ShownLog(directory, SetClock()), database
        self.view = LogView(self.log.home, database, BUREAU)
        self.store = ConsentStore(self.log.home, database, PAGES)
        self.person = Signatory.create(drawn_consent().enterprise_id, PAGES)
        self.person.binding(self.log.identities[REGISTRAR], REGISTRAR, at=CREATED - 60)

    def bundle(self, providers: Sequence[ParticipantId] = DEPARTMENTS) -> ConsentBundle:
        return self.person.consent(BANK, providers, created_at=CREATED)

    def change(self, bundle: ConsentBundle, what: What, at: int = 0) -> SignedChange:
        return self.person.change(bundle.claimed(), what, at=CREATED + at)

    def logged(self, change: SignedChange) -> None:
        self.log.publish_document(EntryKind.CONSENT_CHANGE, change.encode())
        self.view.take_in(self.log.extension())

    def changes(self, digest: bytes) -> list[What]:
        with self.database.reading() as connection:
            found = self.store.find(connection, digest)
            assert found is not None
            return [one.what for one in self.store.changes(connection, found)]

    def count(self) -> int:
        with self.database.reading() as connection:
            return connection.execute(select(func.count()).select_from(consents)).scalar_one()


@pytest.fixture
def kept(tmp_path: Path, department_database: Database) -> Kept:
    return Kept(tmp_path / "home", department_database)


def test_a_consent_is_kept_once_and_found_by_its_digest_also_by_a_new_process(kept: Kept) -> None:
    bundle = kept.bundle()
    assert {kept.store.keep(bundle) for _ in range(2)} == {bundle.claimed().digest()}
    assert kept.count() == 1
    for store in (kept.store, kept.store, ConsentStore(kept.log.home, kept.database, PAGES)):
        with kept.database.reading() as connection:
            found = store.find(connection, bundle.claimed().digest())
            assert store.find(connection, b"x" * 32) is None
        assert found is not None
        assert (found.consent, found.binding) == (bundle.claimed(), bundle.binding.claimed())
        assert (found.registrar, found.binding_digest) == (REGISTRAR, found.binding.digest())
        assert (found.passkey_tag, found.tag(2)) == (found.binding.tag, use_tag(bundle.use_key, 2))


def test_what_the_enterprise_did_not_give_is_not_kept(kept: Kept) -> None:
    bundle, other = kept.bundle(), kept.bundle()
    stranger = Signatory.create(drawn_consent().enterprise_id, PAGES)
    consent = bundle.claimed()
    stranger.binding(Identity.generate(), REGISTRAR, at=CREATED - 60)
    by_a_stranger = stranger.consent(BANK, DEPARTMENTS, created_at=CREATED)
    stranger.binding(kept.log.bureau, BUREAU, at=CREATED - 60)
    by_the_bureau = stranger.consent(BANK, DEPARTMENTS, created_at=CREATED)
    wrong = [
        (replace(bundle, assertion=other.assertion), SignatureInvalid),
        (replace(bundle, use_key=other.use_key), PeerError),
        (replace(bundle, consent=replace(consent, recipient=ParticipantId("bank-2")).encode()), SignatureInvalid),
        (replace(bundle, consent=bundle.consent + b" "), MalformedMessage),
        (replace(bundle, binding=by_the_bureau.binding), PeerError),
        (by_a_stranger, SignatureInvalid),
        (by_the_bureau, UntrustedKey),
    ]
    for one, error in wrong:
        with pytest.raises(error):
            kept.store.keep(one)
    assert kept.count() == 0


def test_a_consent_beyond_the_rules_or_without_this_department_is_not_kept(kept: Kept) -> None:
    key = secrets.token_bytes(32)
    greedy = replace(kept.bundle().claimed(), maximum_uses=999, use_key_sha256=use_key_digest(key))
    with pytest.raises(BeyondFairUse):
        kept.store.keep(kept.person.sign(greedy, key))
    with pytest.raises(PeerError, match="does not name this department"):
        kept.store.keep(kept.bundle([name for name in DEPARTMENTS if name != ME]))
    assert kept.count() == 0


def test_a_sealed_consent_opens_for_this_department_and_the_bank_that_handed_it_in_alone(kept: Kept) -> None:
    bundle, mine = kept.bundle(), kept.log.home.identity().public

    def sealed(bank: ParticipantId, name: ParticipantId, label: Label = Label.SEALED_CONSENT) -> bytes:
        return seal(mine, bundle.encode(), label=label, context=consent_context(bank, name))

    other = ParticipantId("bank-2")
    for box in (sealed(other, ME), sealed(BANK, REGISTRAR), sealed(BANK, ME, Label.SEALED_REQUEST), b"", b"x" * 400):
        with pytest.raises(PeerError, match="does not open"):
            kept.store.take(SealedConsent(bank=BANK, box=box))
    assert kept.count() == 0
    assert kept.store.take(SealedConsent(bank=BANK, box=sealed(BANK, ME))) == bundle.claimed().digest()


def test_changes_that_were_handed_in_count_first_and_then_those_of_the_log_in_its_order(kept: Kept) -> None:
    bundle = kept.bundle()
    digest = kept.store.keep(bundle)
    assert kept.changes(digest) == []
    kept.logged(kept.change(bundle, What.PAUSE, 1))
    kept.logged(kept.change(bundle, What.RESUME, 2))
    revocation = kept.change(bundle, What.REVOKE, 3)
    for _ in range(2):
        assert kept.store.hand_in(revocation).what is What.REVOKE
    assert kept.changes(digest) == [What.REVOKE, What.PAUSE, What.RESUME]
    with kept.database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(handed_changes)).scalar_one() == 1


def test_a_change_that_the_passkey_of_the_consent_did_not_sign_counts_nowhere(kept: Kept) -> None:
    bundle, stranger = kept.bundle(), Signatory.create(drawn_consent().enterprise_id, PAGES)
    digest = kept.store.keep(bundle)
    forged = stranger.change(bundle.claimed(), What.REVOKE, at=CREATED)
    other = kept.change(kept.bundle(), What.REVOKE)
    with pytest.raises(SignatureInvalid):
        kept.store.hand_in(forged)
    with pytest.raises(PeerError, match="not kept here"):
        kept.store.hand_in(other)
    kept.logged(forged)
    kept.logged(other)
    kept.logged(replace(forged, assertion=other.assertion))
    assert kept.changes(digest) == []


def test_a_resumption_is_taken_from_the_log_alone(kept: Kept) -> None:
    bundle = kept.bundle()
    digest = kept.store.keep(bundle)
    kept.store.hand_in(kept.change(bundle, What.PAUSE, 1))
    resumption = kept.change(bundle, What.RESUME, 2)
    with pytest.raises(PeerError, match="through the log"):
        kept.store.hand_in(resumption)
    kept.logged(resumption)
    assert kept.changes(digest) == [What.PAUSE, What.RESUME]


def test_more_consents_than_are_at_hand_and_many_threads_find_each_its_own(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "AT_HAND", 2)
    bundles = [kept.bundle() for _ in range(6)]
    digests = [kept.store.keep(bundle) for bundle in bundles]

    def find(place: int) -> bool:
        with kept.database.reading() as connection:
            found = kept.store.find(connection, digests[place % 6])
        return found is not None and found.consent == bundles[place % 6].claimed()

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(find, range(48)))
    assert len(kept.store._kept) == 2
