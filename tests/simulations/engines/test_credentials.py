import datetime as dt
import socket
import ssl
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key, load_ssh_private_key

from simulations.engines.credentials import make_link_credentials, make_node_key


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            try:
                server.wrap_socket(connection, server_side=True).close()
            except OSError:
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with socket.create_connection(listener.getsockname()) as plain:
                client.wrap_socket(plain, server_hostname=name).close()
        finally:
            thread.join()


def test_the_certificate_is_for_loopback_under_its_own_authority(tmp_path: Path) -> None:
    files = make_link_credentials(tmp_path, now=dt.datetime.now(dt.UTC))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files.certificate, files.key)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(files.authority)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    handshake(server, client, "127.0.0.1")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, client, "example.org")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, ssl.create_default_context(), "127.0.0.1")
    assert files.key.stat().st_mode & 0o077 == 0


def test_a_node_key_is_a_pair_in_the_forms_that_flower_reads(tmp_path: Path) -> None:
    public = load_pem_public_key(make_node_key(tmp_path / "node.key"))
    private = load_ssh_private_key((tmp_path / "node.key").read_bytes(), None)
    assert private.public_key() == public
    assert (tmp_path / "node.key").stat().st_mode & 0o077 == 0
    with pytest.raises(FileExistsError):
        make_node_key(tmp_path / "node.key")
