"""Private files sealed with a passphrase: whoever copies a home's disk without it has nothing.

    passphrase --scrypt--> key that seals the data key (file `vault`)
    data key --AES-256-GCM--> every private file, bound to its name

The passphrase comes from a file or the environment, never from the command line, which every user of a machine sees.
Without a passphrase the files are what they hold, readable by their owner alone.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from crypto.errors import ProtectionUnavailable
from crypto.labels import Label, labelled
from crypto.secret import Secret
from models.hosting.storage.files import private_file

GIVEN_IN: Final = "YURONG_PASSPHRASE"
FILE_NAMED_IN: Final = "YURONG_PASSPHRASE_FILE"
"""The variables of the environment that hold a passphrase, or name the file that does."""

MINIMUM_CHARACTERS: Final = 12
MAXIMUM_CHARACTERS: Final = 1024

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_SALT_BYTES: Final = 16
# OWASP's parameters for scrypt have n of 2^17 with r of 8; this takes 128 MB and half a second, once a process.
_SCRYPT_N: Final = 1 << 17
_SCRYPT_N_ACCEPTED: Final = frozenset(1 << bits for bits in range(15, 21))
_SCRYPT_R: Final = 8
_SCRYPT_P: Final = 1


def read_passphrase(file: Path | None = None, *, environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the passphrase that the operator gave, or None if none was.

    It is in `file`, or in the file that YURONG_PASSPHRASE_FILE names, or in YURONG_PASSPHRASE itself; one line break
    at its end is not part of it. Raises `ProtectionUnavailable` if it is empty or the file is readable by everybody.
    """
    named = file or environment.get(FILE_NAMED_IN)
    if named is None and GIVEN_IN not in environment:
        return None
    text = environment[GIVEN_IN] if named is None else _read(Path(named))
    passphrase = text.removesuffix("\n").removesuffix("\r")
    if not passphrase:
        raise ProtectionUnavailable("the passphrase that was given is empty", advice="give one, or say nothing of it")
    return passphrase


class Vault(Secret):
    """Seals a home's private files under a data key, or, without one, leaves them as they are."""

    __slots__ = ("_data_key",)

    def __init__(self, data_key: bytes | None = None) -> None:
        self._data_key = data_key

    @classmethod
    def create(cls, path: Path, passphrase: str | None) -> Self:
        """Return a new vault; what opens it is written to `path`, unless there is no passphrase.

        Raises `ProtectionUnavailable` for a passphrase of fewer than 12 characters.
        """
        if passphrase is None:
            return cls()
        vault = cls(secrets.token_bytes(_KEY_BYTES))
        vault.write(path, passphrase)
        return vault

    @classmethod
    def open(cls, path: Path, passphrase: str | None) -> Self:
        """Return the vault that `path` opens with the passphrase; without the file, nothing was sealed.

        Raises `ProtectionUnavailable` if the passphrase is missing, wrong, or there is nothing that it opens.
        """
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            if passphrase is None:
                return cls()
            raise ProtectionUnavailable(
                "a passphrase was given, but the keys of this home are not sealed",
                advice="leave the passphrase out, or see that this is the home you mean",
            ) from None
        if passphrase is None:
            raise ProtectionUnavailable(
                "the keys of this home are sealed, and no passphrase was given",
                advice=f"set {FILE_NAMED_IN} or {GIVEN_IN}",
            )
        return cls(_open_data_key(data, passphrase))

    @property
    def is_sealed(self) -> bool:
        """Whether files are sealed at all."""
        return self._data_key is not None

    def write(self, path: Path, passphrase: str) -> None:
        """Write to `path` what opens this vault with `passphrase`; a passphrase before it no longer does."""
        if not MINIMUM_CHARACTERS <= len(passphrase) <= MAXIMUM_CHARACTERS:
            raise ProtectionUnavailable(
                f"a passphrase has {MINIMUM_CHARACTERS} to {MAXIMUM_CHARACTERS} characters",
                advice="six words drawn at random are a good one",
            )
        salt, nonce = secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(_NONCE_BYTES)
        key = _stretch(passphrase, salt, _SCRYPT_N)
        sealed = nonce + AESGCM(key).encrypt(nonce, self._require_key(), labelled(Label.KEPT_KEY, salt))
        private_file(path, json.dumps({"key": sealed.hex(), "n": _SCRYPT_N, "salt": salt.hex()}).encode())

    def seal(self, name: str, data: bytes) -> bytes:
        """Return what lies on the disk for the private file `name`."""
        if self._data_key is None:
            return data
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + AESGCM(self._data_key).encrypt(nonce, data, labelled(Label.KEPT_FILE, name.encode()))

    def unseal(self, name: str, data: bytes) -> bytes:
        """Return what the private file `name` holds; `ProtectionUnavailable` if it is not what was sealed here."""
        if self._data_key is None:
            return data
        try:
            associated = labelled(Label.KEPT_FILE, name.encode())
            return AESGCM(self._data_key).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], associated)
        except (InvalidTag, ValueError):
            raise ProtectionUnavailable(
                f"the private file {name} is damaged or of another home", advice="restore it from the backup"
            ) from None

    def tls_password(self) -> bytes | None:
        """Return the password of the TLS key's encrypted PKCS#8 file, or None if it is not encrypted.

        It is not the passphrase: that form stretches a password too little for a human's.
        """
        if self._data_key is None:
            return None
        info = Label.KEPT_TLS_KEY.encode()
        return HKDF(hashes.SHA256(), _KEY_BYTES, salt=None, info=info).derive(self._data_key).hex().encode()

    def _require_key(self) -> bytes:
        if self._data_key is None:
            raise ProtectionUnavailable("the keys of this home are not sealed", advice="seal them when it is made")
        return self._data_key


def _read(path: Path) -> str:
    try:
        if stat.S_IMODE(path.stat().st_mode) & stat.S_IRWXO:
            raise ProtectionUnavailable(
                f"the passphrase file {path} may be read by everybody", advice="take the right away: chmod o= FILE"
            )
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        raise ProtectionUnavailable(f"the passphrase file {path} cannot be read") from None


def _open_data_key(data: bytes, passphrase: str) -> bytes:
    try:
        fields: dict[str, Any] = json.loads(data)
        salt, sealed, n = bytes.fromhex(fields["salt"]), bytes.fromhex(fields["key"]), fields["n"]
    except (ValueError, KeyError, TypeError):
        raise ProtectionUnavailable("the file that opens this home's keys is damaged") from None
    if n not in _SCRYPT_N_ACCEPTED or len(salt) != _SALT_BYTES:
        raise ProtectionUnavailable("the file that opens this home's keys is not one that we wrote")
    key = _stretch(passphrase, salt, n)
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], labelled(Label.KEPT_KEY, salt))
    except (InvalidTag, ValueError):
        raise ProtectionUnavailable(
            "the passphrase does not open the keys of this home", advice="give the one it was made with"
        ) from None


def _stretch(passphrase: str, salt: bytes, n: int) -> bytes:
    return Scrypt(salt=salt, length=_KEY_BYTES, n=n, r=_SCRYPT_R, p=_SCRYPT_P).derive(passphrase.encode())
