"""A node's TLS certificate: self-signed, pinned with its document, trusted because of that and for nothing else.

| who      | holds                                                                              |
|----------|------------------------------------------------------------------------------------|
| the node | the certificate and its private key (ECDSA P-256)                                  |
| all peers| the certificate, out of the node's participant document: it is its own trust anchor|

There is no certificate authority. A certificate that could sign others would make its owner one for everybody that
pins it, so only one form is accepted: one host, P-256, `CA:FALSE`, signatures only, and signed by itself.
"""

import datetime as dt
import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from crypto.errors import MalformedMessage
from crypto.secret import Secret

MAXIMUM_CERTIFICATE_BYTES: Final = 4096
MAXIMUM_ADDRESS_CHARACTERS: Final = 300
LIFETIME_DAYS: Final = 730
CLOCK_TOLERANCE: Final = dt.timedelta(hours=1)
"""A certificate is valid from this long before it was made: peers' clocks differ."""

_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_ADDRESS: Final = re.compile(r"https://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9.-]+):(?P<port>[1-9][0-9]{0,4})")
_NAME: Final = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Yurong node")])
_USES: Final = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a node listens: a host name or IP address (IPv6 without brackets), and a port."""

    host: str
    port: int


class Certificate(Secret):
    """A new certificate and its private key.

    certificate_der: X.509, DER. private_key: PKCS#8, PEM, not encrypted.
    """

    __slots__ = ("certificate_der", "private_key")

    def __init__(self, certificate_der: bytes, private_key: bytes) -> None:
        self.certificate_der = certificate_der
        self.private_key = private_key


def make_certificate(host: str, *, now: dt.datetime, days: int = LIFETIME_DAYS) -> Certificate:
    """Return a new certificate for `host`, usable as TLS server and client, valid until `days` after `now` (UTC).

    Raises `MalformedMessage` if `host` is neither a host name nor an IP address in its usual form.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(_NAME)
        .issuer_name(_NAME)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_TOLERANCE)
        .not_valid_after(now + dt.timedelta(days=days))
    )
    for extension, critical in _extensions(host, key.public_key()):
        builder = builder.add_extension(extension, critical=critical)
    return Certificate(
        builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


def check_certificate(der: bytes, host: str) -> x509.Certificate:
    """Return the certificate in `der` if it has the one form that `make_certificate` gives, for `host`.

    Raises `MalformedMessage` otherwise. Its dates are left to TLS, which knows what time it is.
    """
    certificate = _parse(der)
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise MalformedMessage("a node's certificate has another key than one of P-256")
    expected = _extensions(host, key)
    found = [(extension.value, extension.critical) for extension in certificate.extensions]
    if len(found) != len(expected) or any(one not in found for one in expected):
        raise MalformedMessage("a node's certificate is for another host, or for more than TLS with one host")
    if certificate.subject != _NAME or certificate.version is not x509.Version.v3:
        raise MalformedMessage("a node's certificate is not in the form of ours")
    if not isinstance(certificate.signature_hash_algorithm, hashes.SHA256):
        raise MalformedMessage("a node's certificate is signed with another hash than SHA-256")
    try:
        certificate.verify_directly_issued_by(certificate)
    except (InvalidSignature, ValueError, TypeError) as error:
        raise MalformedMessage("a node's certificate is not signed by itself") from error
    return certificate


def certificate_expires_at(der: bytes) -> float:
    """Return when the certificate in `der` expires (seconds since 1970, UTC)."""
    return _parse(der).not_valid_after_utc.timestamp()


def certificate_pem(der: bytes) -> bytes:
    """Return the certificate in `der` in PEM; `MalformedMessage` if it is none."""
    return _parse(der).public_bytes(Encoding.PEM)


def parse_address(address: str) -> Address:
    """Return host and port of `https://host:port`; `MalformedMessage` unless it is written in the one form it has.

    A host name is in lower case and without a dot at its end; the port is always there; no path, no user.
    """
    match = _ADDRESS.fullmatch(address) if len(address) <= MAXIMUM_ADDRESS_CHARACTERS else None
    if match is None or int(match["port"]) >= 1 << 16:
        raise MalformedMessage("a node's address is https://host:port", advice="Write the port, and nothing after it.")
    host = match["host"].removeprefix("[").removesuffix("]")
    name = _general_name(host)
    is_bracketed = match["host"].startswith("[")
    if is_bracketed is not (isinstance(name, x509.IPAddress) and name.value.version == 6):
        raise MalformedMessage("a node's address has brackets around an IPv6 address, and around nothing else")
    return Address(host, int(match["port"]))


def check_node_key(der: bytes) -> None:
    """Raise `MalformedMessage` unless `der` is the SubjectPublicKeyInfo of a P-384 key, which Flower's nodes have."""
    try:
        key = load_der_public_key(der)
    except Exception as error:  # the library names no base of what it raises for a malformed key
        raise MalformedMessage("a node key is no public key") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        raise MalformedMessage("a node key is not one of P-384")
    if key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != der:
        raise MalformedMessage("a node key is not in its one form")


def _parse(der: bytes) -> x509.Certificate:
    if len(der) > MAXIMUM_CERTIFICATE_BYTES:
        raise MalformedMessage("a node's certificate is too long")
    try:
        certificate = x509.load_der_x509_certificate(der)
        certificate.public_key()
        _ = certificate.extensions, certificate.subject, certificate.version, certificate.signature_hash_algorithm
    except Exception as error:  # the library's parser raises errors without a common base
        raise MalformedMessage("a node's certificate is no X.509 certificate") from error
    return certificate


def _extensions(host: str, key: ec.EllipticCurvePublicKey) -> list[tuple[x509.ExtensionType, bool]]:
    """Return every extension of a certificate of ours, and whether it is critical."""
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    return [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (usage, True),
        (x509.ExtendedKeyUsage(_USES), False),
        (x509.SubjectAlternativeName([_general_name(host)]), False),
        # OpenSSL takes a certificate without the right to sign for self-signed only if it names itself as its issuer.
        (x509.SubjectKeyIdentifier.from_public_key(key), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(key), False),
    ]


def _general_name(host: str) -> x509.DNSName | x509.IPAddress:
    """Return a host name or IP address as a certificate names it."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        # A last label of digits alone is how some programs write an IPv4 address.
        if _HOST_NAME.fullmatch(host) is None or len(host) > 253 or host.rpartition(".")[2].isdecimal():
            raise MalformedMessage("a host is a name in lower case or an IP address") from None
        return x509.DNSName(host)
    if str(address) != host:
        raise MalformedMessage("an IP address is not in its usual form")
    return x509.IPAddress(address)
