"""Only who is pinned comes to a connection, on either side, by TLS 1.3 and without a way back by an old session."""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from models.hosting.errors import TlsUnusable
from models.hosting.https.tls import client_context, server_context


def shake(
    client: ssl.SSLContext, server: ssl.SSLContext, host: str = "127.0.0.1", *, session: ssl.SSLSession | None = None
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Shake hands in memory and say one word each; raises `ssl.SSLError`."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = client.wrap_bio(down, up, server_hostname=host, session=session), server.wrap_bio(up, down, server_side=True)
    waiting: list[Callable[[], object]] = [end.do_handshake for end in ends]
    for _ in range(10):
        for step in tuple(waiting):
            try:
                step()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(step)
    # In TLS 1.3 a client learns of its refusal with the first answer.
    ends[1].write(b"hello")
    assert ends[0].read(5) == b"hello"
    return ends


def test_two_who_pinned_each_other_come_together(world: Any) -> None:
    client, server = shake(
        world.bureau.client_context(world.tax.certificate), world.tax.server_context(*world.parties.anchors())
    )
    assert client.version() == server.version() == "TLSv1.3"
    assert server.getpeercert(binary_form=True) == world.bureau.certificate
    assert client.getpeercert(binary_form=True) == world.tax.certificate
    assert client.selected_alpn_protocol() == "http/1.1"


def test_whoever_is_not_pinned_is_refused_on_either_side(world: Any) -> None:
    open_server = world.tax.server_context(world.stranger.certificate)
    shake(world.stranger.client_context(world.tax.certificate), open_server)
    with pytest.raises(ssl.SSLError):
        shake(world.stranger.client_context(world.tax.certificate), world.tax.server_context(*world.parties.anchors()))
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(
            world.bureau.client_context(world.stranger.certificate), world.tax.server_context(world.bureau.certificate)
        )
    with pytest.raises(ssl.SSLError):
        shake(world.bureau.client_context(world.tax.certificate), world.tax.server_context())


def test_a_client_without_a_certificate_is_refused(world: Any) -> None:
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    bare.check_hostname, bare.verify_mode = False, ssl.CERT_NONE
    with pytest.raises(ssl.SSLError):
        shake(bare, world.tax.server_context(world.bureau.certificate))


def test_a_certificate_that_expired_is_refused_on_either_side_though_it_is_pinned(new_world: Any) -> None:
    world = new_world()
    for late in (world.bureau, world.tax):
        clients = world.bureau.client_context, world.tax.server_context
        shake(clients[0](world.tax.certificate), clients[1](world.bureau.certificate))
        late.renew(now=dt.datetime.now(dt.UTC) - dt.timedelta(days=731))
        with pytest.raises(ssl.SSLError):
            shake(clients[0](world.tax.certificate), clients[1](world.bureau.certificate))
        late.renew()


def test_an_older_protocol_is_refused(world: Any) -> None:
    old = world.bureau.client_context(world.tax.certificate)
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        shake(old, world.tax.server_context(world.bureau.certificate))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.2", "tax.example"])
def test_a_certificate_of_another_host_is_refused(world: Any, host: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(
            world.bureau.client_context(world.tax.certificate), world.tax.server_context(world.bureau.certificate), host
        )


def test_many_certificates_of_one_and_the_same_name_are_told_apart(world: Any, new_world: Any) -> None:
    others = [node.certificate for _ in range(8) for node in vars(new_world()).values() if hasattr(node, "certificate")]
    server = world.tax.server_context(*others, world.bureau.certificate, *others, world.bureau.certificate)
    shake(world.bureau.client_context(*others, world.tax.certificate), server)
    with pytest.raises(ssl.SSLError):
        shake(world.bank.client_context(world.tax.certificate), server)


@pytest.mark.parametrize("weakened", [True, False])
def test_who_was_unpinned_does_not_come_back_by_an_old_session(world: Any, weakened: bool) -> None:
    bureau = world.bureau.client_context(world.tax.certificate)
    bureau.options &= ~ssl.OP_NO_TICKET
    server = world.tax.server_context(world.bureau.certificate)
    if weakened:
        server.num_tickets = 2
        server.options &= ~ssl.OP_NO_TICKET
    before, _ = shake(bureau, server)
    # As `ContextSwitch` does it when the pins have changed: the bureau is no longer among them.
    current = world.tax.server_context(world.bank.certificate)
    server.sni_callback = lambda connection, _name, _context: setattr(connection, "context", current)
    if weakened:
        after, _ = shake(bureau, server, session=before.session)
        assert after.session_reused
    else:
        with pytest.raises(ssl.SSLError):
            shake(bureau, server, session=before.session)
        shake(world.bank.client_context(world.tax.certificate), server)


def test_a_sealed_key_opens_with_its_passphrase_and_nobody_is_asked_for_it(world: Any, tmp_path: Path) -> None:
    certificate, key = world.tax.files
    sealed = tmp_path / "sealed.key"
    private = load_pem_private_key(key.read_bytes(), None)
    sealed.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"open")))
    server = server_context(certificate, sealed, b"open", [world.bureau.certificate])
    shake(world.bureau.client_context(world.tax.certificate), server)
    for wrong in (None, b"", b"other"):
        with pytest.raises(TlsUnusable) as caught:
            server_context(certificate, sealed, wrong, [])
        assert str(tmp_path) not in caught.value.message


def test_files_that_are_no_pair_are_refused(world: Any, tmp_path: Path) -> None:
    certificate, key = world.tax.files
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    pairs = [(certificate, world.bank.files[1]), (certificate, empty), (empty, key), (tmp_path / "no", key)]
    for one, other in pairs:
        with pytest.raises(TlsUnusable):
            client_context(one, other, None, [world.tax.certificate])
    with pytest.raises(TlsUnusable):
        server_context(certificate, key, None, [b"not a certificate"])
