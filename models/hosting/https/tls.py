"""TLS between nodes: version 1.3, certificates on both sides, and no authority that vouches for strangers.

| side   | trust anchors                                          | also checks                                       |
|--------|--------------------------------------------------------|---------------------------------------------------|
| server | the certificates of all parties that are pinned        | `Guard`: the certificate is of the one that signs |
| client | the certificates of the one party that is called       | the host name                                     |

A certificate is self-signed and its own anchor (`X509_V_FLAG_PARTIAL_CHAIN`: the chain ends at whatever is trusted). So
a client makes one context for each peer: with the anchors of two, one of them could answer in the other's name.

Sessions are not resumed: a resumed one is not held to the anchors, so a party that was unpinned would come in again.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from models.hosting.errors import TlsUnusable

PROTOCOLS: Final = ["http/1.1"]


def server_context(
    certificate_path: Path, key_path: Path, passphrase: bytes | None, anchors: Iterable[bytes]
) -> ssl.SSLContext:
    """A server's side of TLS. `anchors`: the DER certificates of all who may connect; raises `TlsUnusable`.

    Without anchors nobody may connect.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 0
    return _prepared(context, certificate_path, key_path, passphrase, anchors)


def client_context(
    certificate_path: Path, key_path: Path, passphrase: bytes | None, peer_certificates: Iterable[bytes]
) -> ssl.SSLContext:
    """A client's side of TLS to one peer. `peer_certificates`: DER, those in force; raises `TlsUnusable`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = True
    return _prepared(context, certificate_path, key_path, passphrase, peer_certificates)


def _prepared(
    context: ssl.SSLContext, certificate_path: Path, key_path: Path, passphrase: bytes | None, anchors: Iterable[bytes]
) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(PROTOCOLS)
    # Concatenated DER with the same certificate twice is fine; nothing at all is not.
    trusted = b"".join(dict.fromkeys(anchor for anchor in anchors if anchor))
    try:
        # Given nothing, OpenSSL would ask for the passphrase at the terminal.
        context.load_cert_chain(certificate_path, key_path, password=passphrase or b"")
        if trusted:
            context.load_verify_locations(cadata=trusted)
    except (OSError, ValueError) as error:
        raise TlsUnusable(
            f"the node's certificate, its key or a pinned certificate cannot be used ({_reason(error)})",
            advice="See that the files are whole and readable, and that the passphrase is theirs.",
        ) from None
    return context


def _reason(error: OSError | ValueError) -> str:
    # OpenSSL's own word, such as KEY_VALUES_MISMATCH; the text of an error may name a path.
    return getattr(error, "reason", None) or type(error).__name__
