"""A node's home: made once, private, sealed if it is asked for, and usable by TLS and Flower."""

from __future__ import annotations

import os
import ssl
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key

from crypto.certificates import certificate_pem
from crypto.errors import MalformedMessage, ProtectionUnavailable, UntrustedKey
from crypto.identifiers import ParticipantId, Role
from crypto.identity import Identity, ParticipantDocument
from crypto.succession import HandOver
from models.hosting.trust import passphrase
from models.hosting.trust.home import NodeHome

TAX, BUREAU = ParticipantId("tax"), ParticipantId("bureau")
ADDRESS = "https://127.0.0.1:8443"
PASSPHRASE = "correct horse battery staple"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passphrase, "_SCRYPT_N", 1 << 15)


def create(
    directory: Path, *, role: Role = Role.DEPARTMENT, address: str = ADDRESS, passphrase: str | None = None
) -> NodeHome:
    name = BUREAU if role is Role.BUREAU else TAX
    return NodeHome.create(
        directory, participant_id=name, role=role, title="Tax 税务", address=address, passphrase=passphrase
    )


def own_document(home: NodeHome) -> ParticipantDocument:
    return ParticipantDocument.verify(home.document(), home.identity().public.fingerprint())


@pytest.fixture
def home(tmp_path: Path) -> NodeHome:
    return create(tmp_path / "tax")


def test_a_home_is_opened_as_it_was_made(home: NodeHome) -> None:
    opened = NodeHome.open(home.directory)
    assert opened == home
    assert opened.identity().public == home.identity().public
    assert (opened.document(), opened.serial, opened.serials()) == (home.document(), 1, (1,))
    assert opened.hand_over() == opened.document()
    assert (opened.next_document(), opened.next_document_path.exists()) == (None, False)
    assert {serial: one.public for serial, one in opened.identities().items()} == {1: home.identity().public}


def test_its_document_names_its_keys(home: NodeHome) -> None:
    document = own_document(home)
    assert (document.participant_id, document.role, document.title) == (TAX, Role.DEPARTMENT, "Tax 税务")
    assert (document.serial, document.address) == (1, ADDRESS)
    assert home.certificate_path.read_bytes() == certificate_pem(document.certificate)
    node_key = load_ssh_private_key(home.node_key(), None)
    assert isinstance(node_key, ec.EllipticCurvePrivateKey)
    assert node_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == document.node_key
    assert home.node_key_path.read_bytes() == home.node_key()
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*home.tls_identity())


def test_a_bureau_has_no_node_key_and_a_home_without_an_address_no_certificate(tmp_path: Path) -> None:
    bureau, inner = create(tmp_path / "bureau", role=Role.BUREAU), create(tmp_path / "inner", address="")
    assert own_document(bureau).node_key == b""
    for ask in (bureau.node_key, lambda: bureau.node_key_path, lambda: inner.certificate_path):
        with pytest.raises(ProtectionUnavailable):
            ask()
    assert (own_document(inner).address, own_document(inner).certificate) == ("", b"")


def test_only_the_owner_may_read_it(home: NodeHome) -> None:
    bureau = create(home.directory.parent / "bureau", role=Role.BUREAU)
    home.pins.pin(bureau.document(), fingerprint=bureau.identity().public.fingerprint())
    home.prepare_rotation({"tls"})
    for path in (home.directory, *home.directory.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_a_home_is_never_made_over_another(home: NodeHome) -> None:
    before = {path: path.read_bytes() for path in home.directory.rglob("*") if path.is_file()}
    (home.directory / "home.json").rename(home.directory / "moved")
    with pytest.raises(ProtectionUnavailable):
        create(home.directory)
    (home.directory / "moved").rename(home.directory / "home.json")
    with pytest.raises(ProtectionUnavailable):
        create(home.directory)
    assert {path: path.read_bytes() for path in home.directory.rglob("*") if path.is_file()} == before


def test_a_bad_name_or_address_leaves_nothing_that_stops_a_good_one(tmp_path: Path) -> None:
    with pytest.raises(MalformedMessage):
        create(tmp_path, address="https://127.0.0.1")
    with pytest.raises(MalformedMessage):
        NodeHome.create(tmp_path, participant_id=ParticipantId("Tax!"), role=Role.DEPARTMENT, title="Tax")
    with pytest.raises(MalformedMessage):
        NodeHome.create(tmp_path, participant_id=TAX, role=Role.DEPARTMENT, title="")
    with pytest.raises(ProtectionUnavailable):
        create(tmp_path, passphrase="too short")
    assert create(tmp_path).serial == 1


def test_a_damaged_home_is_refused(home: NodeHome) -> None:
    state = home.directory / "keys" / "state.json"
    good = state.read_bytes()
    for damaged in (b"", b"{}", good.replace(b'"last": 1', b'"last": 0'), good.replace(b'"next": null', b'"next": 3')):
        state.write_bytes(damaged)
        with pytest.raises(ProtectionUnavailable):
            NodeHome.open(home.directory)
    state.unlink()
    with pytest.raises(ProtectionUnavailable):
        NodeHome.open(home.directory)


def test_a_sealed_home_holds_no_key_in_the_clear_and_opens_with_its_passphrase_alone(tmp_path: Path) -> None:
    home = create(tmp_path / "tax", passphrase=PASSPHRASE)
    opened = NodeHome.open(home.directory, passphrase=PASSPHRASE)
    assert opened.identity().public == home.identity().public
    assert opened.node_key() == home.node_key()
    for wrong in ("another passphrase", None):
        with pytest.raises(ProtectionUnavailable, match="passphrase"):
            NodeHome.open(home.directory, passphrase=wrong)
    private = home.identity().to_private_bytes()
    for path in home.directory.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert b"PRIVATE KEY-----" not in data.replace(b"ENCRYPTED PRIVATE KEY", b""), path
            assert private[:32] not in data
            assert private[32:] not in data


def test_the_tls_key_of_a_sealed_home_opens_with_its_own_password(tmp_path: Path) -> None:
    home = create(tmp_path / "tax", passphrase=PASSPHRASE)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate, key, password = home.tls_identity()
    context.load_cert_chain(certificate, key, password=password)
    assert (certificate, password) == (home.certificate_path, home.tls_password())
    with pytest.raises(ssl.SSLError):
        context.load_cert_chain(certificate, key, password=PASSPHRASE)


@pytest.mark.parametrize("secret", [None, PASSPHRASE])
def test_another_process_reads_the_node_key_while_it_is_given(secret: str | None, tmp_path: Path) -> None:
    home = create(tmp_path / "tax", passphrase=secret)
    read = "import pathlib, sys; sys.stdout.buffer.write(pathlib.Path(sys.argv[1]).read_bytes())"
    with home.node_key_file() as path:
        for _ in range(2):
            done = subprocess.run([sys.executable, "-c", read, path], check=True, capture_output=True)
            assert done.stdout == home.node_key()
        assert (path == home.node_key_path) is (secret is None)
    if secret is not None:
        assert not os.path.lexists(path) or path.resolve() != home.node_key_path


def test_nothing_secret_is_shown(tmp_path: Path) -> None:
    home = create(tmp_path / "tax", passphrase=PASSPHRASE)
    shown = repr(home) + repr(home.vault) + repr(home.pins) + str(home.identities())
    assert PASSPHRASE not in shown
    assert home.identity().to_private_bytes()[:32].hex() not in shown
    assert "ault" not in repr(home)


def test_its_own_documents_alone_are_its_own(home: NodeHome) -> None:
    assert home.verify_own(home.document()) == own_document(home)
    identity = home.identity()
    other = ParticipantDocument(participant_id=TAX, role=Role.DEPARTMENT, title="Tax", identity=identity.public)
    for data in (other.sign(identity), home.document() + home.document(), b""):
        with pytest.raises(UntrustedKey):
            home.verify_own(data)


def test_two_homes_pin_each_other(home: NodeHome, tmp_path: Path) -> None:
    bureau = create(tmp_path / "bureau", role=Role.BUREAU)
    home.pins.pin(bureau.hand_over(), fingerprint=bureau.identity().public.fingerprint())
    assert home.pins.document(BUREAU) == own_document(bureau)
    assert home.pins.verify(BUREAU, HandOver.split(bureau.hand_over()).document).serial == bureau.serial
    assert home.pins.fingerprint(BUREAU) != Identity.generate().public.fingerprint()
