"""The parts of a node's keys: what each is made of, and what the participant document says of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from crypto.certificates import certificate_pem, make_certificate, parse_address
from crypto.identity import Identity

IDENTITY: Final = "identity"
TLS: Final = "tls"
NODE: Final = "node"

IDENTITY_FILE: Final = "identity"
CERTIFICATE_FILE: Final = "certificate.pem"
TLS_KEY_FILE: Final = "tls-key.pem"
NODE_KEY_FILE: Final = "node-key"


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Part:
    """One part of a node's keys: the files that hold it, by name, and fields of its participant document."""

    files: Mapping[str, bytes]
    says: Mapping[str, Any]


def make_identity() -> Part:
    """Return a new identity."""
    identity = Identity.generate()
    return Part({IDENTITY_FILE: identity.to_private_bytes()}, {"identity": identity.public})


def make_tls(address: str, *, now: float, password: bytes | None) -> Part:
    """Return a new certificate for the host of `address` and its key, encrypted with `password` unless that is None."""
    made = make_certificate(parse_address(address).host, now=dt.datetime.fromtimestamp(now, dt.UTC))
    key = made.private_key
    if password is not None:
        protection = BestAvailableEncryption(password)
        key = load_pem_private_key(key, None).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)
    files = {CERTIFICATE_FILE: certificate_pem(made.certificate_der), TLS_KEY_FILE: key}
    return Part(files, {"address": address, "certificate": made.certificate_der})


def make_node_key() -> Part:
    """Return a new key of a Flower node: EC P-384, in the OpenSSH form that Flower reads."""
    key = ec.generate_private_key(ec.SECP384R1())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Part({NODE_KEY_FILE: private}, {"node_key": public})
