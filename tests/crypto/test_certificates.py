"""Certificates: one form, its own trust anchor, and refused in every other form."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from crypto.certificates import (
    Certificate,
    certificate_expires_at,
    certificate_pem,
    check_certificate,
    check_node_key,
    make_certificate,
    parse_address,
)
from crypto.errors import MalformedMessage

NOW = dt.datetime.now(dt.UTC)
HOST = "127.0.0.1"
FLAGS = [ssl.VerifyFlags(0), ssl.VERIFY_X509_STRICT, ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN]


def context(protocol: int, mine: Certificate, anchors: list[bytes], directory: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(protocol)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.verify_mode = ssl.CERT_REQUIRED
    directory.mkdir(parents=True)
    (directory / "certificate").write_bytes(certificate_pem(mine.certificate_der))
    (directory / "key").write_bytes(mine.private_key)
    made.load_cert_chain(directory / "certificate", directory / "key")
    made.load_verify_locations(cadata=b"".join(anchors))
    return made


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, host: str = HOST) -> tuple[bytes | None, bytes | None]:
    """Both sides' view of the other's certificate, after a byte went each way; raises what a side raised."""
    ours, theirs = socket.socketpair()
    for side in (ours, theirs):
        side.settimeout(10)

    def serve() -> bytes | None:
        with server.wrap_socket(ours, server_side=True) as tls:
            assert tls.version() == "TLSv1.3"
            tls.sendall(tls.recv(1))
            return tls.getpeercert(binary_form=True)

    with ThreadPoolExecutor(1) as thread:
        served = thread.submit(serve)
        with client.wrap_socket(theirs, server_hostname=host) as tls:
            tls.sendall(b"x")
            assert tls.recv(1) == b"x"
            seen = tls.getpeercert(binary_form=True)
        return served.result(), seen


@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize("host", [HOST, "::1", "tax.example"])
def test_two_pinned_certificates_make_a_mutual_connection(host: str, flags: ssl.VerifyFlags, tmp_path: Path) -> None:
    server, client, third = (make_certificate(host, now=NOW) for _ in range(3))
    accepting = context(
        ssl.PROTOCOL_TLS_SERVER, server, [third.certificate_der, client.certificate_der], tmp_path / "server"
    )
    calling = context(ssl.PROTOCOL_TLS_CLIENT, client, [server.certificate_der], tmp_path / "client")
    accepting.verify_flags |= flags
    calling.verify_flags |= flags
    assert handshake(accepting, calling, host) == (client.certificate_der, server.certificate_der)


def test_a_certificate_that_is_not_pinned_is_refused_by_either_side(tmp_path: Path) -> None:
    server, client, other = (make_certificate(HOST, now=NOW) for _ in range(3))
    accepting = context(ssl.PROTOCOL_TLS_SERVER, server, [other.certificate_der], tmp_path / "1")
    calling = context(ssl.PROTOCOL_TLS_CLIENT, client, [server.certificate_der], tmp_path / "2")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        handshake(accepting, calling)
    accepting = context(ssl.PROTOCOL_TLS_SERVER, server, [client.certificate_der], tmp_path / "3")
    calling = context(ssl.PROTOCOL_TLS_CLIENT, client, [other.certificate_der], tmp_path / "4")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(accepting, calling)


def test_a_certificate_of_another_host_or_time_is_refused(tmp_path: Path) -> None:
    client = make_certificate(HOST, now=NOW)
    elsewhere, past = make_certificate("127.0.0.2", now=NOW), make_certificate(HOST, now=NOW - dt.timedelta(731))
    for number, server in enumerate((elsewhere, past)):
        accepting = context(ssl.PROTOCOL_TLS_SERVER, server, [client.certificate_der], tmp_path / f"server{number}")
        calling = context(ssl.PROTOCOL_TLS_CLIENT, client, [server.certificate_der], tmp_path / f"client{number}")
        with pytest.raises(ssl.SSLCertVerificationError):
            handshake(accepting, calling)


def crafted(
    *,
    ca: bool = False,
    host: str = HOST,
    curve: ec.EllipticCurve | None = None,
    extension: x509.ExtensionType | None = None,
    issuer: tuple[x509.Name, ec.EllipticCurvePrivateKey] | None = None,
    name: str = "Yurong node",
    digest: hashes.SHA256 | hashes.SHA384 | None = None,
) -> tuple[Certificate, ec.EllipticCurvePrivateKey, x509.Name]:
    """A certificate like ours but for what is asked for."""
    key = ec.generate_private_key(curve or ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer_name, issuer_key = issuer or (subject, key)
    usage = x509.KeyUsage(True, False, False, False, False, ca, False, False, False)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - dt.timedelta(hours=1))
        .not_valid_after(NOW + dt.timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .add_extension(
            x509.SubjectAlternativeName([make_name(host)]),
            critical=False,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if extension is not None:
        builder = builder.add_extension(extension, critical=False)
    der = builder.sign(issuer_key, digest or hashes.SHA256()).public_bytes(Encoding.DER)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Certificate(der, private), key, subject


def make_name(host: str) -> x509.GeneralName:
    certificate = x509.load_der_x509_certificate(make_certificate(host, now=NOW).certificate_der)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return next(one for one in names if isinstance(one, x509.GeneralName))


def test_ours_is_taken_and_says_when_it_ends() -> None:
    made = make_certificate("tax.example", now=NOW, days=30)
    check_certificate(made.certificate_der, "tax.example")
    check_certificate(crafted()[0].certificate_der, HOST)
    assert certificate_expires_at(made.certificate_der) == pytest.approx((NOW + dt.timedelta(30)).timestamp(), abs=1)
    assert repr(made) == "<Certificate: secret>"


def test_whoever_has_an_authority_pinned_lets_in_strangers_and_ours_does_not_pin_one(tmp_path: Path) -> None:
    authority, key, name = crafted(ca=True, name="bank")
    stranger, _, _ = crafted(issuer=(name, key), name="stranger")
    server = make_certificate(HOST, now=NOW)
    weak = context(ssl.PROTOCOL_TLS_SERVER, server, [authority.certificate_der], tmp_path / "server")
    calling = context(ssl.PROTOCOL_TLS_CLIENT, stranger, [server.certificate_der], tmp_path / "client")
    assert handshake(weak, calling)[0] == stranger.certificate_der
    with pytest.raises(MalformedMessage):
        check_certificate(crafted(ca=True)[0].certificate_der, HOST)


def test_a_pinned_certificate_of_ours_vouches_for_no_other(tmp_path: Path) -> None:
    pinned, key, name = crafted()
    check_certificate(pinned.certificate_der, HOST)
    stranger, _, _ = crafted(issuer=(name, key), name="stranger")
    server = make_certificate(HOST, now=NOW)
    accepting = context(ssl.PROTOCOL_TLS_SERVER, server, [pinned.certificate_der], tmp_path / "server")
    accepting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    calling = context(ssl.PROTOCOL_TLS_CLIENT, stranger, [server.certificate_der], tmp_path / "client")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        handshake(accepting, calling)


def test_every_other_form_is_refused() -> None:
    other_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Yurong node")])
    refused = [
        crafted(curve=ec.SECP384R1()),
        crafted(host="127.0.0.2"),
        crafted(name="another name"),
        crafted(digest=hashes.SHA384()),
        crafted(extension=x509.OCSPNoCheck()),
        crafted(issuer=(other_name, ec.generate_private_key(ec.SECP256R1()))),
    ]
    for made, _, _ in refused:
        with pytest.raises(MalformedMessage):
            check_certificate(made.certificate_der, HOST)
    ours = make_certificate(HOST, now=NOW).certificate_der
    for data in (ours + b"\0", ours[:-1], b"", bytes(5000), ours[:-1] + bytes([ours[-1] ^ 1])):
        with pytest.raises(MalformedMessage):
            check_certificate(data, HOST)


@given(st.binary(max_size=300), st.integers(0, 451), st.binary(min_size=1, max_size=3))
def test_only_our_error_escapes_from_a_certificate(data: bytes, position: int, change: bytes) -> None:
    ours = make_certificate(HOST, now=NOW).certificate_der
    for der in (data, ours[:position] + change + ours[position + len(change) :]):
        try:
            check_certificate(der, HOST)
        except MalformedMessage:
            continue
        # Dates and the number of the certificate are free, but signed.
        assert der == ours


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        ("https://127.0.0.1:8443", "127.0.0.1", 8443),
        ("https://[2001:db8::1]:443", "2001:db8::1", 443),
        ("https://tax.chongqing.example:65535", "tax.chongqing.example", 65535),
        ("https://localhost:1", "localhost", 1),
    ],
)
def test_an_address_is_read(address: str, host: str, port: int) -> None:
    read = parse_address(address)
    assert (read.host, read.port) == (host, port)
    check_certificate(make_certificate(host, now=NOW).certificate_der, host)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "http://tax.example:443",
        "https://tax.example",
        "https://tax.example:0",
        "https://tax.example:65536",
        "https://tax.example:08443",
        "https://tax.example:443/",
        "https://user@tax.example:443",
        "https://Tax.example:443",
        "https://tax.example.:443",
        "https://-tax.example:443",
        "https://*.example:443",
        "https://税务.example:443",
        "https://127.0.0.01:443",
        "https://127.1:443",
        "https://[127.0.0.1]:443",
        "https://[::0001]:443",
        "https://[tax.example]:443",
        "https://::1:443",
        "https://" + "a" * 300 + ":443",
        "https://tax.example:443\n",
        "https://tax.example:٤٤٣",
    ],
)
def test_an_address_in_another_form_is_refused(address: str) -> None:
    with pytest.raises(MalformedMessage):
        parse_address(address)


def test_a_node_key_is_one_of_p_384_in_its_one_form() -> None:
    def public(curve: ec.EllipticCurve, form: PublicFormat = PublicFormat.SubjectPublicKeyInfo) -> bytes:
        encoding = Encoding.DER if form is PublicFormat.SubjectPublicKeyInfo else Encoding.X962
        return ec.generate_private_key(curve).public_key().public_bytes(encoding, form)

    good = public(ec.SECP384R1())
    check_node_key(good)
    for wrong in (
        public(ec.SECP256R1()),
        public(ec.SECP384R1(), PublicFormat.UncompressedPoint),
        good + b"\0",
        good[:-1],
        b"no key",
    ):
        with pytest.raises(MalformedMessage):
            check_node_key(wrong)
