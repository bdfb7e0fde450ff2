"""The book of pins: who gets in, in which order documents count, and until when."""

from __future__ import annotations

import datetime as dt
import multiprocessing
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crypto.certificates import make_certificate
from crypto.documents import sign_document
from crypto.errors import MalformedMessage, ProtectionUnavailable, SignatureInvalid, UntrustedKey
from crypto.identifiers import ParticipantId, Role
from crypto.identity import Identity, ParticipantDocument, PublicIdentity
from crypto.labels import Label
from crypto.succession import HandOver
from models.hosting.trust.key_parts import make_node_key
from models.hosting.trust.pins import DOCUMENT_GRACE_SECONDS, Book, PinBook

TAX, LAND = ParticipantId("tax"), ParticipantId("land")
OLD, NEW, LATER = Identity.generate(), Identity.generate(), Identity.generate()


class SetClock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def now(self) -> float:
        return self.time


def signed(
    identity: Identity, serial: int = 1, name: ParticipantId = TAX, *, role: Role = Role.DEPARTMENT, title: str = "税务"
) -> bytes:
    return ParticipantDocument(
        participant_id=name, role=role, title=title, identity=identity.public, serial=serial
    ).sign(identity)


def node_key() -> bytes:
    key: bytes = make_node_key().says["node_key"]
    return key


def fingerprint(identity: Identity) -> bytes:
    return identity.public.fingerprint()


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def book(tmp_path: Path, clock: SetClock) -> PinBook:
    return PinBook(tmp_path / "pins", clock=clock)


def serials(book: PinBook, name: ParticipantId = TAX) -> list[int]:
    return [one.serial for one in book.documents().get(name, ())]


def test_nobody_is_pinned_in_a_new_book(book: PinBook) -> None:
    assert (book.names(), book.documents()) == ((), {})
    for ask in (book.fingerprint, book.document, book.unpin):
        with pytest.raises(UntrustedKey):
            ask(TAX)
    with pytest.raises(UntrustedKey):
        book.verify(TAX, signed(OLD))


def test_the_first_document_is_pinned_with_the_fingerprint_of_the_telephone(book: PinBook) -> None:
    data = signed(OLD)
    for wrong in (None, fingerprint(NEW)):
        with pytest.raises(UntrustedKey):
            book.pin(data, fingerprint=wrong)
    assert book.names() == ()
    pinned = book.pin(data, fingerprint=fingerprint(OLD))
    assert pinned == book.document(TAX) == book.document(TAX, 1) == book.verify(TAX, data)
    assert book.fingerprint(TAX) == fingerprint(OLD)
    assert book.pin(data) == pinned, "the same again changes nothing"
    assert PinBook(book.directory).document(TAX) == pinned
    with pytest.raises(UntrustedKey):
        book.document(TAX, 2)


def test_a_newer_document_takes_the_place_of_the_one_before_which_stays_for_the_time_of_grace(
    book: PinBook, clock: SetClock
) -> None:
    first, second, third = (signed(OLD, serial) for serial in (1, 2, 5))
    book.pin(first, fingerprint=fingerprint(OLD))
    book.pin(second)
    assert serials(book) == [2, 1]
    assert book.verify(TAX, first).serial == 1
    clock.time += DOCUMENT_GRACE_SECONDS / 2
    assert serials(book) == [2, 1]
    clock.time += DOCUMENT_GRACE_SECONDS / 2
    assert serials(book) == [2]
    with pytest.raises(UntrustedKey):
        book.document(TAX, 1)
    with pytest.raises(UntrustedKey):
        book.verify(TAX, first)
    assert book.verify_signed(TAX, first).serial == 1
    book.pin(third)
    assert serials(book) == [5, 2], "what was forgotten does not come back"
    clock.time += DOCUMENT_GRACE_SECONDS
    assert serials(book) == [5]


def test_the_document_in_use_outlasts_one_that_was_given_up_by_the_grace_of_the_next(
    book: PinBook, clock: SetClock
) -> None:
    in_use, given_up, upcoming = (signed(OLD, serial) for serial in (1, 2, 3))
    book.pin(in_use, fingerprint=fingerprint(OLD))
    book.pin(given_up)
    clock.time += DOCUMENT_GRACE_SECONDS - 60
    book.pin(upcoming)
    clock.time += DOCUMENT_GRACE_SECONDS - 60
    assert book.verify(TAX, in_use).serial == 1
    clock.time += 120
    assert serials(book) == [3]


class OneNameForgotten(PinBook):
    """A weakened book: it compares identities alone."""

    def _require_one_name(self, book: Book, document: ParticipantDocument) -> None:
        pass


def test_keys_of_another_are_claimed_where_identities_alone_are_compared_and_not_in_ours(
    tmp_path: Path, clock: SetClock
) -> None:
    now = dt.datetime.fromtimestamp(clock.time, dt.UTC)
    certificate = make_certificate("127.0.0.1", now=now).certificate_der
    place: dict[str, Any] = {"address": "https://127.0.0.1:8443", "certificate": certificate}
    victim = ParticipantDocument(
        participant_id=LAND, role=Role.DEPARTMENT, title="land", identity=NEW.public, node_key=node_key(), **place
    )
    mine = ParticipantDocument(participant_id=TAX, role=Role.DEPARTMENT, title="tax", identity=OLD.public)
    mixed = PublicIdentity(signing_key=OLD.public.signing_key, agreement_key=NEW.public.agreement_key)
    claims = {
        "TLS certificate": replace(mine, serial=2, **place).sign(OLD),
        "node key": replace(mine, serial=2, node_key=victim.node_key).sign(OLD),
        "agreement key": HandOver.endorsed(
            sign_document(OLD, Label.PARTICIPANT_DOCUMENT, replace(mine, serial=2, identity=mixed)._fields()), OLD
        ).to_bytes(),
    }
    for kind, data in claims.items():
        for weakened in (True, False):
            directory = tmp_path / f"{kind} {weakened}"
            book = (OneNameForgotten if weakened else PinBook)(directory, clock=clock)
            book.pin(victim.sign(NEW), fingerprint=fingerprint(NEW))
            book.pin(mine.sign(OLD), fingerprint=fingerprint(OLD))
            if weakened:
                assert book.pin(data).serial == 2, kind
            else:
                with pytest.raises(UntrustedKey, match=f"names the {kind} of land"):
                    book.pin(data)
                assert book.document(TAX).serial == 1


def test_keys_that_another_gave_up_and_nobody_trusts_any_more_are_in_nobody_s_way(
    book: PinBook, clock: SetClock
) -> None:
    given_up = ParticipantDocument(
        participant_id=LAND, role=Role.DEPARTMENT, title="land", identity=NEW.public, node_key=node_key()
    )
    book.pin(given_up.sign(NEW), fingerprint=fingerprint(NEW))
    book.pin(replace(given_up, serial=2, node_key=node_key()).sign(NEW))
    again = replace(given_up, participant_id=TAX, identity=OLD.public).sign(OLD)
    with pytest.raises(UntrustedKey):
        book.pin(again, fingerprint=fingerprint(OLD))
    clock.time += DOCUMENT_GRACE_SECONDS
    assert book.pin(again, fingerprint=fingerprint(OLD)).serial == 1


def test_an_old_document_is_taken_where_only_the_identity_is_pinned_and_refused_where_the_document_is(
    book: PinBook,
) -> None:
    given_up, current = signed(OLD, 1), signed(OLD, 2)
    book.pin_fingerprints({TAX: fingerprint(OLD)})
    assert book.verify(TAX, given_up).serial == 1
    book.pin(current)
    with pytest.raises(UntrustedKey):
        book.verify(TAX, given_up)
    for compared in (None, fingerprint(OLD)):
        with pytest.raises(UntrustedKey):
            book.pin(given_up, fingerprint=compared)
    assert serials(book) == [2]


def test_of_two_documents_with_one_serial_the_first_counts(book: PinBook) -> None:
    book.pin(signed(OLD), fingerprint=fingerprint(OLD))
    other = signed(OLD, title="another title")
    for compared in (None, fingerprint(OLD)):
        with pytest.raises(UntrustedKey):
            book.pin(other, fingerprint=compared)
    with pytest.raises(UntrustedKey):
        book.verify(TAX, other)


def test_a_new_identity_needs_the_old_ones_word_or_the_telephone(book: PinBook, clock: SetClock) -> None:
    book.pin(signed(OLD), fingerprint=fingerprint(OLD))
    document = signed(NEW, 2)
    by_a_stranger = HandOver.endorsed(document, LATER).to_bytes()
    for unproven in (document, by_a_stranger):
        with pytest.raises(UntrustedKey):
            book.pin(unproven)
    with pytest.raises(UntrustedKey):
        book.pin(HandOver.endorsed(document, OLD).to_bytes(), fingerprint=fingerprint(LATER))
    book.pin(HandOver.endorsed(document, OLD).to_bytes())
    assert (book.fingerprint(TAX), book.fingerprints(TAX)) == (fingerprint(NEW), (fingerprint(NEW), fingerprint(OLD)))
    assert book.verify(TAX, document).serial == 2, "the endorsement has done its work"
    book.pin(signed(LATER, 3), fingerprint=fingerprint(LATER))
    assert book.fingerprint(TAX) == fingerprint(LATER)
    clock.time += DOCUMENT_GRACE_SECONDS
    assert book.fingerprints(TAX) == (fingerprint(LATER),)


def test_an_identity_that_was_replaced_has_nothing_more_to_say(book: PinBook) -> None:
    book.pin(signed(OLD), fingerprint=fingerprint(OLD))
    book.pin(HandOver.endorsed(signed(NEW, 2), OLD).to_bytes())
    for late in (signed(OLD, 3), HandOver.endorsed(signed(LATER, 3), OLD).to_bytes()):
        with pytest.raises(UntrustedKey):
            book.pin(late)


def test_a_participant_changes_neither_role_nor_name_by_a_document(book: PinBook) -> None:
    book.pin(signed(OLD), fingerprint=fingerprint(OLD))
    with pytest.raises(UntrustedKey):
        book.pin(signed(OLD, 2, role=Role.BUREAU))
    with pytest.raises(UntrustedKey):
        book.pin(signed(OLD, 2, LAND), fingerprint=fingerprint(OLD))
    assert book.names() == (TAX,)


def test_what_is_not_signed_or_formed_is_refused(book: PinBook) -> None:
    data = signed(OLD)
    foreign = data[: data.index(b"\n") + 1] + signed(NEW)[-129:]
    with pytest.raises(SignatureInvalid):
        book.pin(foreign, fingerprint=fingerprint(OLD))
    for malformed in (b"", data[:-1], data + b"\n", data + data[:-1]):
        with pytest.raises(MalformedMessage):
            book.pin(malformed, fingerprint=fingerprint(OLD))
    with pytest.raises(MalformedMessage):
        book.pin(data + HandOver.endorsed(signed(OLD, 2), NEW).endorsement, fingerprint=fingerprint(OLD))


def test_all_of_several_are_pinned_or_none(book: PinBook) -> None:
    good, bad = (signed(OLD), fingerprint(OLD)), (signed(NEW, name=LAND), fingerprint(LATER))
    with pytest.raises(UntrustedKey):
        book.pin_all([good, bad])
    assert book.names() == ()
    assert [one.participant_id for one in book.pin_all([good, (bad[0], fingerprint(NEW))])] == [TAX, LAND]
    assert book.names() == (LAND, TAX)


def test_unpinning_forgets_everything_so_an_older_document_may_be_pinned_by_telephone(book: PinBook) -> None:
    book.pin_all([(signed(OLD, 4), fingerprint(OLD)), (signed(LATER, name=LAND), fingerprint(LATER))])
    book.unpin(TAX)
    assert book.names() == (LAND,)
    with pytest.raises(UntrustedKey):
        book.pin(signed(OLD, 5))
    book.pin(signed(NEW, 1), fingerprint=fingerprint(NEW))
    assert serials(book) == [1]


def test_a_fingerprint_alone_forgets_the_documents_of_another_identity(book: PinBook) -> None:
    book.pin(signed(OLD), fingerprint=fingerprint(OLD))
    book.pin_fingerprints({TAX: fingerprint(OLD)})
    assert serials(book) == [1]
    book.pin_fingerprints({TAX: fingerprint(NEW)})
    assert (serials(book), book.fingerprint(TAX), book.names()) == ([], fingerprint(NEW), (TAX,))
    with pytest.raises(UntrustedKey):
        book.document(TAX)


def test_another_process_s_pins_are_seen_at_once(book: PinBook) -> None:
    other = PinBook(book.directory)
    for serial in range(1, 20):
        book.pin(signed(OLD, serial), fingerprint=fingerprint(OLD))
        assert other.document(TAX).serial == serial


def test_processes_that_pin_at_once_lose_nothing(book: PinBook) -> None:
    names = [ParticipantId(f"department-{number}") for number in range(4)]
    identities = [Identity.generate() for _ in names]
    fork = multiprocessing.get_context("fork")

    def pin(name: ParticipantId, identity: Identity) -> None:
        for serial in range(1, 9):
            PinBook(book.directory).pin(signed(identity, serial, name), fingerprint=fingerprint(identity))

    processes = [fork.Process(target=pin, args=pair) for pair in zip(names, identities, strict=True)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert book.names() == tuple(names)
    assert {book.document(name).serial for name in names} == {8}


def test_the_book_is_private_and_a_damaged_one_trusts_nobody(book: PinBook) -> None:
    book.pin(signed(OLD), fingerprint=fingerprint(OLD))
    for path in (book.directory, *book.directory.iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    path = book.directory / "pins.json"
    for damaged in (b"", b"[]", path.read_bytes().replace(b'"serial', b'"Serial'), path.read_bytes()[:-3]):
        path.write_bytes(damaged)
        with pytest.raises(ProtectionUnavailable):
            book.fingerprint(TAX)
