"""The border to SEAL. Nothing else in this project calls its reading and writing of files.

SEAL's objects go in and out through its file format, on a file in memory. The format was checked against SEAL 4.3:

    object      header (16 bytes: magic A15E, 16, version, compression, 0 0, u64 length of all) and a body
    plaintext   level (32), u64 count, f64 scale, array
    ciphertext  level (32), u8 transformed?, u64 polynomials, u64 N, u64 primes, f64 scale, u64 correction, array
                and, where the second polynomial is drawn from a seed, a generator: header, u8 kind, seed (64)
    array       header, u64 count, u64 words

What SEAL writes is compressed with Zstandard; what we write is not. Bytes of another party never come here: they are
taken apart and checked in `ciphertext.py`, and a file is made anew around words that are known to be in range.
"""

import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, Final

import numpy as np
import tenseal.sealapi as seal
import zstandard
from numpy.typing import NDArray

from crypto.errors import InvalidCiphertext, ProtectionUnavailable
from crypto.lattice.parameters import LatticeParameters

Words = NDArray[np.uint64]

SEED_BYTES: Final = 64
_HEADER: Final = struct.Struct("<HBBBBHQ")  # magic, header size, version (2), compression, zero, length of all
_PLAINTEXT: Final = struct.Struct("<32sQd")
_CIPHERTEXT: Final = struct.Struct("<32sBQQQdQ")
_COUNT: Final = struct.Struct("<Q")
_BLAKE2XB: Final = b"\x01"
_ZSTANDARD: Final = 2
_LARGEST_OBJECT: Final = 1 << 21


def _write(body: bytes) -> bytes:
    return _HEADER.pack(*_seal_version(), 0, 0, _HEADER.size + len(body)) + body


@cache
def _seal_version() -> tuple[int, int, int, int]:
    """Read magic, header size and version off something that this SEAL wrote."""
    magic, size, major, minor, *_ = _HEADER.unpack_from(_saved(seal.Plaintext("1")))
    return magic, size, major, minor


def _saved(thing: Any) -> bytes:
    descriptor = os.memfd_create("lattice")
    try:
        thing.save(f"/proc/self/fd/{descriptor}")
        return os.pread(descriptor, _LARGEST_OBJECT, 0)
    finally:
        os.close(descriptor)


def _body(thing: Any) -> bytes:
    data = _saved(thing)
    if _HEADER.unpack_from(data)[4] != _ZSTANDARD:
        return data[_HEADER.size :]
    return zstandard.ZstdDecompressor().decompress(data[_HEADER.size :], max_output_size=_LARGEST_OBJECT)


def _loaded(thing: Any, context: Any, body: bytes) -> Any:
    descriptor = os.memfd_create("lattice")
    try:
        os.write(descriptor, _write(body))
        thing.load(context, f"/proc/self/fd/{descriptor}")
    except (RuntimeError, ValueError) as error:
        raise InvalidCiphertext("SEAL refuses the ciphertext") from error
    finally:
        os.close(descriptor)
    return thing


def _array(words: Words) -> bytes:
    return _write(_COUNT.pack(words.size) + words.astype("<u8", copy=False).tobytes())


@dataclass(frozen=True, slots=True)
class Level:
    """One modulus of the chain: all primes for keys, all but the last for fresh ciphertexts, and so on down to one.

    primes: its primes; modulus: their product.
    """

    parms_id: tuple[int, ...]
    primes: tuple[int, ...]
    modulus: int

    @property
    def identifier(self) -> bytes:
        """Return the level's name in a file."""
        return struct.pack("<4Q", *self.parms_id)


class Ring:
    """SEAL's view of a parameter set, and what goes in and out of it. Get one from `ring`, which keeps them.

    levels: the key's level first, then that of fresh ciphertexts, then down to a single prime.
    """

    def __init__(self, parameters: LatticeParameters) -> None:
        self.parameters = parameters
        degree = parameters.poly_modulus_degree
        chosen = seal.EncryptionParameters(seal.SCHEME_TYPE.BFV)
        chosen.set_poly_modulus_degree(degree)
        chosen.set_coeff_modulus(seal.CoeffModulus.Create(degree, list(parameters.coeff_modulus_bits)))
        chosen.set_plain_modulus(parameters.plain_modulus)
        self.context = seal.SEALContext(chosen, True, seal.SEC_LEVEL_TYPE.TC128)
        if not self.context.parameters_set():
            raise ProtectionUnavailable(f"SEAL refuses the parameters: {self.context.parameters_error_message()}")
        self.evaluator = seal.Evaluator(self.context)
        self.levels = tuple(self._levels())

    def _levels(self) -> list[Level]:
        found = []
        data = self.context.key_context_data()
        while data is not None:
            primes = tuple(int(prime.value()) for prime in data.parms().coeff_modulus())
            modulus = 1
            for prime in primes:
                modulus *= prime
            found.append(Level(tuple(data.parms_id()), primes, modulus))
            data = data.next_context_data()
        if any(len(upper.primes) != len(lower.primes) + 1 for upper, lower in pairwise(found)):
            raise ProtectionUnavailable("SEAL leaves out a level of the modulus chain")
        return found

    @property
    def key_level(self) -> Level:
        """The level of keys."""
        return self.levels[0]

    @property
    def top(self) -> Level:
        """The level of fresh ciphertexts."""
        return self.levels[1]

    @property
    def bottom(self) -> Level:
        """The level of a single prime."""
        return self.levels[-1]

    def plaintext(self, coefficients: Words) -> Any:
        """Make a plaintext of coefficients (up to N,) mod t."""
        body = _PLAINTEXT.pack(bytes(32), coefficients.size, 1.0) + _array(coefficients)
        return _loaded(seal.Plaintext(), self.context, body)

    def coefficients(self, plaintext: Any) -> Words:
        """Return the coefficients (N,) of a plaintext that is not transformed."""
        found = np.frombuffer(_body(plaintext), dtype="<u8", offset=_PLAINTEXT.size + _HEADER.size + _COUNT.size)
        padded = np.zeros(self.parameters.poly_modulus_degree, dtype=np.uint64)
        padded[: found.size] = found
        return padded

    def _ciphertext_body(self, level: Level, words: Words, *, transformed: bool = False) -> bytes:
        degree = self.parameters.poly_modulus_degree
        return _CIPHERTEXT.pack(level.identifier, transformed, 2, degree, len(level.primes), 1.0, 1) + _array(words)

    def ciphertext(self, level: Level, words: Words, *, transformed: bool = False) -> Any:
        """Make a ciphertext at `level` of words (2, primes, N), each below its prime."""
        body = self._ciphertext_body(level, words, transformed=transformed)
        return _loaded(seal.Ciphertext(), self.context, body)

    def seeded_ciphertext(self, words: Words, seed: bytes) -> Any:
        """Make a fresh ciphertext of its first polynomial (primes, N) and the seed of its second."""
        generator = _write(_BLAKE2XB + seed)
        return _loaded(seal.Ciphertext(), self.context, self._ciphertext_body(self.top, words) + generator)

    def words(self, ciphertext: Any) -> Words:
        """Return the words (2, primes, N) of a ciphertext."""
        found = np.frombuffer(_body(ciphertext), dtype="<u8", offset=_CIPHERTEXT.size + _HEADER.size + _COUNT.size)
        return found.reshape(2, -1, self.parameters.poly_modulus_degree)

    def seeded_words(self, serialisable: Any) -> tuple[Words, bytes]:
        """Return the first polynomial (primes, N) of a symmetric encryption, and the seed of its second."""
        body = _body(serialisable)
        words = body[_CIPHERTEXT.size + _HEADER.size + _COUNT.size : -(_HEADER.size + 1 + SEED_BYTES)]
        return np.frombuffer(words, dtype="<u8").reshape(-1, self.parameters.poly_modulus_degree), body[-SEED_BYTES:]

    def transformed_key(self, coefficients: Words) -> tuple[Any, Words]:
        """Turn a secret's coefficients (N,) mod t into SEAL's key and the words (primes, N) of its transform."""
        plaintext = self.plaintext(coefficients)
        self.evaluator.transform_to_ntt_inplace(plaintext, self.key_level.parms_id)
        body = _body(plaintext)
        words = np.frombuffer(body, dtype="<u8", offset=_PLAINTEXT.size + _HEADER.size + _COUNT.size)
        secret = _loaded(seal.SecretKey(), self.context, body)
        return secret, words.reshape(-1, self.parameters.poly_modulus_degree)

    def public_key(self, words: Words) -> Any:
        """Make SEAL's public key of words (2, primes, N), transformed."""
        body = self._ciphertext_body(self.key_level, words, transformed=True)
        return _loaded(seal.PublicKey(), self.context, body)

    def new_public_key(self, secret: Any) -> Words:
        """Return the words (2, primes, N) of a new public key of `secret`, transformed."""
        key = seal.PublicKey()
        seal.KeyGenerator(self.context, secret).create_public_key(key)
        return self.words(key)


@cache
def ring(parameters: LatticeParameters) -> Ring:
    """SEAL's view of `parameters`: made once a process, 5 ms."""
    return Ring(parameters)


def residues(values: Sequence[int], primes: Sequence[int]) -> Words:
    """Return integers of any size as words (primes, values)."""
    return np.array([[value % prime for value in values] for prime in primes], dtype=np.uint64)
