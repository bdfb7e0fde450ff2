"""A key holder reads a department's columns from the noise of answers that were not flooded.

It knows the noise e of its own ciphertext. A product with a polynomial p of the department's columns has the noise
e p, a linear system for p that a mask on the messages does not touch. In the ring it is solved by a
division in the Fourier domain; a few answers together are solved by least squares.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tenseal.sealapi as seal
from numpy.typing import NDArray

from crypto.lattice.circuit import accumulate
from crypto.lattice.flooding import uniform_words
from crypto.lattice.inner_product import EncodedMatrix, EncryptedVector
from crypto.lattice.keys import LatticePublicKey
from crypto.lattice.seal import ring

Reals = NDArray[np.float64]
Complexes = NDArray[np.complex128]


def masked_but_not_flooded(
    matrix: EncodedMatrix, key: LatticePublicKey, vector: EncryptedVector, *, encrypt_mask: bool = False
) -> Any:
    """Return the weakened answer for the first group: a uniform mask on all messages, no flood.

    encrypt_mask: add the mask as a fresh public-key encryption, which hides the second polynomial but not the noise.
    """
    here = ring(key.parameters)
    total = accumulate(matrix.groups[0], matrix.load(key, vector), key.parameters)
    mask = here.plaintext(uniform_words(key.parameters.poly_modulus_degree, key.parameters.plain_modulus_bits))
    if not encrypt_mask:
        here.evaluator.add_plain_inplace(total, mask)
        return total
    fresh = seal.Ciphertext()
    key.encryptor.encrypt(mask, fresh)
    here.evaluator.add_inplace(fresh, total)
    return fresh


def recovered_polynomial(sent: Sequence[Reals], received: Sequence[Reals]) -> Reals:
    """Solve received = sent * p in the ring for p (N,), least squares over several pairs of noises."""
    pairs = [(_transform(e), _transform(v)) for e, v in zip(sent, received, strict=True)]
    above: Complexes = np.sum([np.conj(e) * v for e, v in pairs], axis=0)
    below: Complexes = np.sum([np.abs(e) ** 2 for e, _ in pairs], axis=0)
    return _untransform(above / below)


def predicted_noise(sent: Reals, polynomial: Reals) -> Reals:
    """Return the noise (N,) that a guess of the department's polynomial would give."""
    return _untransform(_transform(sent) * _transform(polynomial))


def _twist(degree: int) -> Complexes:
    """x^N = -1 becomes x^N = 1 by a 2N-th root of unity."""
    twist: Complexes = np.exp(1j * np.pi * np.arange(degree) / degree)
    return twist


def _transform(coefficients: Reals) -> Complexes:
    return np.fft.fft(coefficients * _twist(coefficients.size))


def _untransform(values: Complexes) -> Reals:
    return np.real(np.fft.ifft(values) / _twist(values.size))


def columns_of(polynomial: Reals, rows: int, columns: int, stride: int) -> Reals:
    """Undo the packing: (rows, columns)."""
    return polynomial.reshape(-1, stride)[:columns, stride - rows :][:, ::-1].T
