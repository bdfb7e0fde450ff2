"""Rotating a node's keys: prepare, hand over, finish, forget; and a process that is killed at any point of it."""

from __future__ import annotations

import os
import shutil
import signal
import ssl
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from crypto.errors import ProtectionUnavailable, ProtocolStateError, UntrustedKey
from crypto.identifiers import ParticipantId, Role
from crypto.identity import Identity, ParticipantDocument
from models.hosting.trust.home import GRACE_SECONDS, NodeHome
from models.hosting.trust.pins import PinBook

TAX = ParticipantId("tax")
ADDRESS = "https://127.0.0.1:8443"


class SetClock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def now(self) -> float:
        return self.time


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


def create(directory: Path, clock: SetClock | None = None) -> NodeHome:
    return NodeHome.create(
        directory, participant_id=TAX, role=Role.DEPARTMENT, title="Tax", address=ADDRESS, clock=clock
    )


@pytest.fixture
def home(tmp_path: Path, clock: SetClock) -> NodeHome:
    return create(tmp_path / "tax", clock)


@pytest.fixture
def peer(home: NodeHome, tmp_path: Path, clock: SetClock) -> PinBook:
    """Somebody who pinned the home's first document."""
    book = PinBook(tmp_path / "peer", clock=clock)
    book.pin(home.document(), fingerprint=home.identity().public.fingerprint())
    return book


def own_document(home: NodeHome) -> ParticipantDocument:
    return ParticipantDocument.verify(home.document(), home.identity().public.fingerprint())


def test_prepared_keys_are_handed_over_and_not_used(home: NodeHome, peer: PinBook) -> None:
    before = (home.serial, home.document(), home.certificate_path.read_bytes(), home.identity().public)
    handed = home.prepare_rotation({"identity", "tls"})
    assert (home.serial, home.document(), home.certificate_path.read_bytes(), home.identity().public) == before
    assert home.next_document_path.read_bytes() == home.next_document() == handed
    upcoming = peer.pin(handed)
    assert (upcoming.serial, upcoming.address) == (2, ADDRESS)
    assert upcoming.identity != home.identity().public
    assert peer.verify(TAX, home.document()).serial == 1
    with pytest.raises(ProtocolStateError):
        home.prepare_rotation({"tls"})


def test_finished_keys_are_used_at_once_and_the_previous_ones_for_a_day(
    home: NodeHome, peer: PinBook, clock: SetClock
) -> None:
    old, old_document = home.identity().public, home.document()
    peer.pin(home.prepare_rotation({"identity"}))
    other_process = NodeHome.open(home.directory, clock=clock)
    current = home.finish_rotation()
    assert current == other_process.document()
    assert peer.verify(TAX, current) == peer.document(TAX)
    assert (home.serial, home.next_document(), home.next_document_path.exists()) == (2, None, False)
    assert other_process.identity().public == peer.document(TAX).identity
    assert {serial: one.public for serial, one in other_process.identities().items()} == {
        2: home.identity().public,
        1: old,
    }
    assert home.documents() == {2: current, 1: old_document}
    assert home.verify_own(old_document).serial == 1
    clock.time += GRACE_SECONDS
    assert list(other_process.identities()) == [2]
    with pytest.raises(UntrustedKey):
        home.verify_own(old_document)


def test_previous_keys_are_removed_when_their_time_is_over(home: NodeHome, clock: SetClock) -> None:
    home.prepare_rotation({"identity"})
    home.finish_rotation()
    home.tidy()
    assert list(home.identities()) == [2, 1]
    assert (home.directory / "keys" / "1").exists()
    clock.time += GRACE_SECONDS
    before = sorted((home.directory / "keys").rglob("*"))
    assert list(home.identities()) == [2]
    assert sorted((home.directory / "keys").rglob("*")) == before, "to ask for them is no work for the disk"
    home.tidy()
    assert sorted(path.name for path in (home.directory / "keys").iterdir()) == ["2", "state.json"]
    with pytest.raises(ProtectionUnavailable):
        home.private_bytes("identity", serial=1)


def test_only_the_named_parts_are_new(home: NodeHome) -> None:
    first, node_key, identity = own_document(home), home.node_key(), home.identity().public
    home.prepare_rotation({"tls"})
    home.finish_rotation()
    second = own_document(home)
    assert (second.serial, second.identity, second.node_key) == (2, identity, first.node_key)
    assert second.certificate != first.certificate
    assert home.node_key() == node_key
    assert home.hand_over() == home.document(), "no new identity, so nobody has to speak for it"
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*home.tls_identity())


def test_a_new_address_brings_a_certificate_for_it(home: NodeHome, peer: PinBook) -> None:
    handed = home.prepare_rotation(set(), address="https://[::1]:9443")
    assert peer.pin(handed).address == "https://[::1]:9443"
    home.finish_rotation()
    assert own_document(home).certificate == peer.document(TAX).certificate


def test_a_succession_is_handed_over_until_the_next_one(home: NodeHome, peer: PinBook) -> None:
    handed = home.prepare_rotation({"identity"})
    home.finish_rotation()
    assert home.hand_over() == handed, "whoever comes late still needs the old identity's word"
    peer.pin(home.hand_over())
    handed = home.prepare_rotation({"tls"})
    peer.pin(handed)
    home.finish_rotation()
    assert home.hand_over() == home.document() == handed


def test_a_serial_that_was_given_up_never_comes_back(home: NodeHome, peer: PinBook) -> None:
    given_up = home.prepare_rotation({"tls"})
    peer.pin(given_up)
    home.abort_rotation()
    assert (home.next_document(), home.next_document_path.exists(), home.serial) == (None, False, 1)
    handed = home.prepare_rotation({"tls"})
    assert peer.pin(handed).serial == 3
    home.finish_rotation()
    assert peer.verify(TAX, home.document()) == peer.document(TAX)


def test_a_home_from_an_old_copy_goes_beyond_the_serials_that_it_forgot(
    home: NodeHome, peer: PinBook, tmp_path: Path, clock: SetClock
) -> None:
    shutil.copytree(home.directory, tmp_path / "copy")
    peer.pin(home.prepare_rotation({"tls"}))
    home.finish_rotation()
    restored = NodeHome.open(tmp_path / "copy", clock=clock)
    with pytest.raises(UntrustedKey):
        peer.pin(restored.prepare_rotation({"tls"}))
    restored.abort_rotation()
    assert peer.pin(restored.prepare_rotation({"tls"}, above=peer.document(TAX).serial + 7)).serial == 10


def test_a_new_identity_that_was_given_up_takes_the_telephone(home: NodeHome, peer: PinBook) -> None:
    peer.pin(home.prepare_rotation({"identity"}))
    home.abort_rotation()
    handed = home.prepare_rotation({"tls"})
    with pytest.raises(UntrustedKey):
        peer.pin(handed)
    assert peer.pin(handed, fingerprint=home.identity().public.fingerprint()).serial == 3


def test_what_cannot_be_rotated_changes_nothing(home: NodeHome, tmp_path: Path) -> None:
    inner = NodeHome.create(tmp_path / "inner", participant_id=TAX, role=Role.DEPARTMENT, title="Tax")
    for parts in (set[str](), {"paillier"}, {"tls", "node"}):
        with pytest.raises(ProtocolStateError):
            home.prepare_rotation(parts)
    with pytest.raises(ProtocolStateError):
        inner.prepare_rotation({"tls"})
    for step in (home.finish_rotation, home.abort_rotation):
        with pytest.raises(ProtocolStateError):
            step()
    assert home.prepare_rotation({"tls"}) == home.next_document()


def test_a_sealed_home_rotates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.hosting.trust.passphrase._SCRYPT_N", 1 << 15)
    secret = "correct horse battery staple"
    made = NodeHome.create(
        tmp_path / "tax", participant_id=TAX, role=Role.DEPARTMENT, title="Tax", address=ADDRESS, passphrase=secret
    )
    node_key = made.node_key()
    made.prepare_rotation({"identity", "tls"})
    made.finish_rotation()
    home = NodeHome.open(made.directory, passphrase=secret)
    assert own_document(home).serial == 2
    assert home.node_key() == node_key
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*home.tls_identity())


# A process that is killed


_CHANGES = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "shutil.rmtree", "fcntl.flock"}


def killed_at_every_point(directory: Path, work: Callable[[], Any]) -> Iterator[int]:
    """Do `work` in processes that are killed before their first, second ... step on the disk, until one comes through.

    Yields after each kill. The caller puts back what it wants.
    """
    for survived in range(500):
        process = os.fork()
        if process == 0:
            left = survived

            def count(event: str, arguments: tuple[Any, ...]) -> None:
                nonlocal left
                if event in _CHANGES and (event == "fcntl.flock" or str(directory) in str(arguments[:2])):
                    left -= 1
                    if left < 0:
                        os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(count)
            try:
                work()
                os._exit(0)
            finally:
                os._exit(1)
        _, status = os.waitpid(process, 0)
        assert status in (0, signal.SIGKILL), "it was killed, or came through"
        if status == 0:
            assert survived > 3
            return
        yield survived
    pytest.fail("the work never came through")


def usable(directory: Path) -> NodeHome:
    """The home, whose current and next documents fit their keys and which has no drafts left."""
    home = NodeHome.open(directory)
    document = own_document(home)
    assert document.serial == home.serial
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*home.tls_identity())
    assert home.next_document_path.exists() is (home.next_document() is not None)
    if home.next_document() is not None:
        assert home.next_document_path.read_bytes() == home.next_document()
    folders = {path.name for path in (directory / "keys").iterdir() if path.is_dir()}
    assert len(folders) == len(home.serials()) + (home.next_document() is not None)
    assert not list((directory / "keys").glob(".*"))
    return home


def test_making_a_home_survives_a_kill_anywhere(tmp_path: Path) -> None:
    directory = tmp_path / "tax"
    kills = 0
    # The directory stays as each kill left it: the next process goes on from there.
    for kills in killed_at_every_point(directory, lambda: create(directory)):  # noqa: B007 - counted after the loop
        if (directory / "keys").exists():
            break
        with pytest.raises(ProtectionUnavailable):
            NodeHome.open(directory)
    assert kills > 20
    assert usable(directory).serial == 1
    with pytest.raises(ProtectionUnavailable):
        create(directory)
    assert not list(directory.glob(".*"))


def test_preparing_new_keys_survives_a_kill_anywhere(tmp_path: Path) -> None:
    directory = tmp_path / "tax"
    identity = create(directory).identity().public
    prepared = 0
    for _ in killed_at_every_point(directory, lambda: NodeHome.open(directory).prepare_rotation({"identity", "tls"})):
        home = usable(directory)
        assert home.identity().public == identity
        if home.next_document() is not None:
            prepared += 1
            home.abort_rotation()
    assert prepared > 1
    home = usable(directory)
    home.finish_rotation()
    assert usable(directory).identity().public != identity


def test_finishing_survives_a_kill_anywhere(tmp_path: Path) -> None:
    directory = tmp_path / "tax"
    home = create(directory)
    finished = 0
    home.prepare_rotation({"identity"})
    for _ in killed_at_every_point(directory, lambda: NodeHome.open(directory).finish_rotation()):
        home = usable(directory)
        if home.next_document() is None:
            finished += 1
            home.prepare_rotation({"identity"})
    assert usable(directory).serial == finished + 2


def test_giving_up_survives_a_kill_anywhere(tmp_path: Path) -> None:
    directory = tmp_path / "tax"
    home = create(directory)
    home.prepare_rotation({"tls"})
    for _ in killed_at_every_point(directory, lambda: NodeHome.open(directory).abort_rotation()):
        home = usable(directory)
        assert home.serial == 1
        if home.next_document() is None:
            home.prepare_rotation({"tls"})
    assert usable(directory).next_document() is None


def test_forgetting_survives_a_kill_anywhere(tmp_path: Path, clock: SetClock) -> None:
    template, directory = tmp_path / "template", tmp_path / "tax"
    home = create(template, clock)
    home.prepare_rotation({"identity"})
    home.finish_rotation()
    shutil.copytree(template, directory)
    clock.time += GRACE_SECONDS
    for _ in killed_at_every_point(directory, lambda: NodeHome.open(directory, clock=clock)):
        assert list(NodeHome.open(directory, clock=clock).identities()) == [2]
        assert usable(directory).identity().public == home.identity().public
        shutil.rmtree(directory)
        shutil.copytree(template, directory)
    assert sorted(path.name for path in (directory / "keys").iterdir()) == ["2", "state.json"]


def test_pinning_survives_a_kill_anywhere(tmp_path: Path) -> None:
    identity = Identity.generate()
    directory = tmp_path / "pins"

    def newest() -> int:
        book = PinBook(directory)
        return book.document(TAX).serial if book.names() else 0

    def pin_the_next() -> None:
        document = ParticipantDocument(
            participant_id=TAX, role=Role.DEPARTMENT, title="Tax", identity=identity.public, serial=newest() + 1
        )
        PinBook(directory).pin(document.sign(identity), fingerprint=identity.public.fingerprint())

    before = 0
    for _ in killed_at_every_point(directory, pin_the_next):
        assert newest() in (before, before + 1)
        before = newest()
    assert newest() == before + 1
    assert sorted(path.name for path in directory.iterdir()) == ["lock", "pins.json"]
