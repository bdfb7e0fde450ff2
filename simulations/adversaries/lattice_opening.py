"""All that a key holder gets out of a ciphertext: the messages, and the noise that decryption throws away.

c0 + c1 s = (q / t) m + noise    mod q, coefficient by coefficient
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crypto.lattice.ciphertext import unpack
from crypto.lattice.circuit import load_chunk, wanted_coefficients
from crypto.lattice.inner_product import EncryptedVector
from crypto.lattice.keys import BankLatticeKey
from crypto.lattice.seal import Level, Words, ring

Reals = NDArray[np.float64]

_BODY_START = 42  # kind (8), fingerprint (32), number of columns (2)
_CHECKSUM_BYTES = 16


@dataclass(frozen=True, slots=True)
class Opening:
    """messages: (N,) words mod t. noise: (N,), in units of the modulus that the ciphertext has."""

    messages: Words
    noise: Reals


class KeyHolder:
    """A bank that looks at more than it is told to."""

    def __init__(self, key: BankLatticeKey) -> None:
        self.key = key
        self._ring = ring(key.parameters)
        coefficients = key.coefficients.astype(np.int64).astype(np.uint64)
        modulo = np.uint64(key.parameters.plain_modulus - 1)
        self._secret = self._ring.transformed_key(coefficients & modulo)[1].astype(object)

    def open(self, ciphertext: Any) -> Opening:
        """Open a SEAL ciphertext of two polynomials at any level, transformed or not."""
        if not ciphertext.is_ntt_form():
            self._ring.evaluator.transform_to_ntt_inplace(ciphertext)
        words = self._ring.words(ciphertext)
        level = next(level for level in self._ring.levels if len(level.primes) == words.shape[1])
        primes = np.array(level.primes, dtype=object)[:, np.newaxis]
        phase = (words[0].astype(object) + words[1].astype(object) * self._secret[: len(level.primes)]) % primes
        return self._split(level, self._untransformed(level, phase.astype(np.uint64)))

    def _untransformed(self, level: Level, phase: Words) -> Words:
        """Transform back; SEAL wants a second polynomial that is not zero."""
        pair = self._ring.ciphertext(level, np.stack([phase, np.ones_like(phase)]), transformed=True)
        self._ring.evaluator.transform_from_ntt_inplace(pair)
        polynomial: Words = self._ring.words(pair)[0]
        return polynomial

    def _split(self, level: Level, phase: Words) -> Opening:
        """Put the residues together, and take message and noise apart."""
        modulus, plain = level.modulus, self.key.parameters.plain_modulus
        whole = np.zeros(phase.shape[1], dtype=object)
        for prime, row in zip(level.primes, phase, strict=True):
            cofactor = modulus // prime
            whole = whole + row.astype(object) * (cofactor * pow(cofactor, -1, prime))
        whole = whole % modulus
        messages = (whole * plain + modulus // 2) // modulus
        noise = np.array([(w * plain - m * modulus) / plain for w, m in zip(whole, messages, strict=True)])
        return Opening((messages % plain).astype(np.uint64), noise)

    def noise_sent(self, vector: EncryptedVector) -> Reals:
        """Return the noise (N,) of the first chunk of its own vector."""
        return self.open(load_chunk(vector.chunks[0], vector.key_fingerprint, self.key.parameters)).noise

    def open_answer(self, data: bytes, *, columns: int, stride: int) -> Opening:
        """Open an answer of ours. What it does not hold of the first polynomial is taken as zero."""
        level, degree = self._ring.bottom, self.key.parameters.poly_modulus_degree
        found = unpack(data[_BODY_START:-_CHECKSUM_BYTES], level.primes, columns + degree)
        words = np.zeros((2, 1, degree), dtype=np.uint64)
        words[0, 0, wanted_coefficients(self.key.parameters, stride, columns)] = found[0, :columns]
        words[1, 0] = found[0, columns:]
        return self.open(self._ring.ciphertext(level, words))
