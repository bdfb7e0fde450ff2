"""A bank's lattice key: the part that decrypts and the part that only encrypts are two types.

    secret    s, N coefficients of -1, 0 and 1
    public    a = SHAKE-256(seed), drawn modulo each prime;  b = -(a s + e)

In textbooks the bank draws a itself. Here it is the output of a hash of a seed, so no bank can plant a polynomial of
which it knows more than others: answers are made fresh with a (`flooding.py`), and a planted one, zero for
instance, would leave them as they were. It also halves the key.
"""

import hashlib
import secrets
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
import tenseal.sealapi as seal

from crypto.errors import InvalidCiphertext, MalformedMessage
from crypto.labels import Label, labelled
from crypto.lattice.ciphertext import pack, packed_bytes, unpack
from crypto.lattice.parameters import PARAMETER_SETS, LatticeParameters
from crypto.lattice.seal import Words, ring
from crypto.secret import Secret

_PUBLIC_MAGIC: Final = b"YR-lpk-1"
_PRIVATE_MAGIC: Final = b"YR-lsk-1"
_SEED_BYTES: Final = 32
_HEAD_BYTES: Final = 9
_CODES: Final = {parameters: code for code, parameters in PARAMETER_SETS.items()}


def _read_head(data: bytes, magic: bytes) -> LatticeParameters:
    if len(data) < _HEAD_BYTES or data[: len(magic)] != magic:
        raise MalformedMessage("the bytes are no lattice key of the kind expected")
    if data[len(magic)] not in PARAMETER_SETS:
        raise MalformedMessage("the lattice key names parameters that are not ours")
    return PARAMETER_SETS[data[len(magic)]]


def _head(magic: bytes, parameters: LatticeParameters) -> bytes:
    return magic + bytes([_CODES[parameters]])


def _drawn_from(seed: bytes, parameters: LatticeParameters) -> Words:
    """Draw a polynomial (primes, N) from a seed: uniform modulo each prime, by rejection."""
    degree = parameters.poly_modulus_degree
    rows = []
    for index, prime in enumerate(ring(parameters).key_level.primes):
        source = labelled(Label.LATTICE_POLYNOMIAL, seed, bytes([_CODES[parameters], index]))
        stream = hashlib.shake_256(source).digest(3 * degree * 8)
        candidates = np.frombuffer(stream, dtype="<u8") & np.uint64((1 << prime.bit_length()) - 1)
        rows.append(candidates[candidates < np.uint64(prime)][:degree])
    return np.array(rows, dtype=np.uint64)


class LatticePublicKey:
    """What may encrypt to a bank and compute on its ciphertexts. Two are equal if their bytes are."""

    def __init__(self, parameters: LatticeParameters, seed: bytes, second: Words) -> None:
        self.parameters = parameters
        self._seed = seed
        self._second = second

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read a key strictly. Raises `MalformedMessage` for everything that `to_bytes` cannot have written."""
        parameters = _read_head(data, _PUBLIC_MAGIC)
        primes, degree = ring(parameters).key_level.primes, parameters.poly_modulus_degree
        start = _HEAD_BYTES + _SEED_BYTES
        if len(data) != start + packed_bytes(primes, degree):
            raise MalformedMessage("the lattice key has not the size that its parameters ask for")
        try:
            second = unpack(data[start:], primes, degree)
        except InvalidCiphertext as error:
            raise MalformedMessage("a word of the lattice key is out of range") from error
        return cls(parameters, data[_HEAD_BYTES:start], second)

    def to_bytes(self) -> bytes:
        """Return the key's one form in bytes: kind (8), parameter set (1), seed of a (32), b modulo each prime."""
        return self._bytes

    @cached_property
    def _bytes(self) -> bytes:
        body = pack(self._second, ring(self.parameters).key_level.primes)
        return _head(_PUBLIC_MAGIC, self.parameters) + self._seed + body

    def fingerprint(self) -> bytes:
        """SHA-256 (32 bytes) over the key's bytes; every ciphertext under the key carries it."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> bytes:
        return hashlib.sha256(labelled(Label.LATTICE_FINGERPRINT, self._bytes)).digest()

    @cached_property
    def encryptor(self) -> Any:
        """SEAL's encryptor for this key, made at first use."""
        here = ring(self.parameters)
        words = np.stack([self._second, _drawn_from(self._seed, self.parameters)])
        return seal.Encryptor(here.context, here.public_key(words))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LatticePublicKey) and self._bytes == other._bytes

    def __hash__(self) -> int:
        return hash(self._fingerprint)

    def __repr__(self) -> str:
        return f"LatticePublicKey({self.parameters.name}, {self._fingerprint.hex()[:16]})"

    def __reduce__(self) -> tuple[Any, tuple[bytes]]:
        return LatticePublicKey.from_bytes, (self._bytes,)


class BankLatticeKey(Secret):
    """A key pair, for the bank alone: it decrypts, and encrypts at half the size.

    coefficients: (N,) int8 of -1, 0 and 1.
    """

    def __init__(self, coefficients: np.ndarray[Any, np.dtype[np.int8]], public: LatticePublicKey) -> None:
        self._coefficients = coefficients
        self.public = public
        self.parameters = public.parameters

    @classmethod
    def generate(cls, parameters: LatticeParameters) -> Self:
        """Draw a new key pair from the operating system's randomness."""
        coefficients = _uniform_ternary(parameters.poly_modulus_degree)
        here = ring(parameters)
        secret, transformed = here.transformed_key(_modulo(coefficients, parameters))
        drawn = here.new_public_key(secret)
        seed = secrets.token_bytes(_SEED_BYTES)
        shift = _times(_difference(drawn[1], _drawn_from(seed, parameters), here.key_level.primes), transformed, here)
        return cls(coefficients, LatticePublicKey(parameters, seed, _sum(drawn[0], shift, here.key_level.primes)))

    def to_private_bytes(self) -> bytes:
        """Return the whole pair: kind (8), parameter set (1), a coefficient plus one a byte (N), the public key."""
        head = _head(_PRIVATE_MAGIC, self.parameters)
        return head + (self._coefficients + 1).astype(np.uint8).tobytes() + self.public.to_bytes()

    @classmethod
    def from_private_bytes(cls, data: bytes) -> Self:
        """Read what `to_private_bytes` wrote. Raises `MalformedMessage` for all else, also for halves of two pairs."""
        parameters = _read_head(data, _PRIVATE_MAGIC)
        end = _HEAD_BYTES + parameters.poly_modulus_degree
        shifted = np.frombuffer(data[_HEAD_BYTES:end], dtype=np.uint8)
        if shifted.size != parameters.poly_modulus_degree or np.any(shifted > 2):
            raise MalformedMessage("the bytes are no private lattice key")
        public = LatticePublicKey.from_bytes(data[end:])
        if public.parameters != parameters:
            raise MalformedMessage("the two halves of a lattice key have different parameters")
        key = cls(shifted.astype(np.int8) - np.int8(1), public)
        key._refuse_other_half()
        return key

    def _refuse_other_half(self) -> None:
        """Decrypt a fresh encryption of zero: with a public key of another pair it is noise."""
        ciphertext, plaintext = seal.Ciphertext(), seal.Plaintext()
        self.public.encryptor.encrypt_zero(ciphertext)
        self.decryptor.decrypt(ciphertext, plaintext)
        if not plaintext.is_zero():
            raise MalformedMessage("the two halves of a lattice key belong to different pairs")

    @property
    def coefficients(self) -> np.ndarray[Any, np.dtype[np.int8]]:
        """The secret itself, (N,)."""
        return self._coefficients

    @cached_property
    def _secret(self) -> Any:
        here = ring(self.parameters)
        return here.transformed_key(_modulo(self._coefficients, self.parameters))[0]

    @cached_property
    def decryptor(self) -> Any:
        """SEAL's decryptor, made at first use."""
        return seal.Decryptor(ring(self.parameters).context, self._secret)

    @cached_property
    def encryptor(self) -> Any:
        """SEAL's symmetric encryptor, made at first use."""
        return seal.Encryptor(ring(self.parameters).context, self._secret)


def _uniform_ternary(count: int) -> np.ndarray[Any, np.dtype[np.int8]]:
    """Draw `count` of -1, 0 and 1 alike: bytes below 255 modulo 3."""
    drawn = np.frombuffer(secrets.token_bytes(2 * count), dtype=np.uint8)
    kept = drawn[drawn < 255][:count]
    return (kept % 3).astype(np.int8) - np.int8(1)


def _modulo(coefficients: np.ndarray[Any, np.dtype[np.int8]], parameters: LatticeParameters) -> Words:
    return coefficients.astype(np.int64).astype(np.uint64) & np.uint64(parameters.plain_modulus - 1)


def _column(primes: tuple[int, ...]) -> Words:
    return np.array(primes, dtype=np.uint64)[:, np.newaxis]


def _sum(left: Words, right: Words, primes: tuple[int, ...]) -> Words:
    return (left + right) % _column(primes)


def _difference(left: Words, right: Words, primes: tuple[int, ...]) -> Words:
    return (left + (_column(primes) - right)) % _column(primes)


def _times(left: Words, right: Words, here: Any) -> Words:
    """Multiply pointwise; Python's integers, because products have 120 bits (20 ms, once a key)."""
    modulus = _column(here.key_level.primes).astype(object)
    product = left.astype(object) * right.astype(object) % modulus
    return np.asarray(product.astype(np.uint64))
