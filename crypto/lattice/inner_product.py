"""Inner products of one party's encrypted vector with another party's columns.

    bank                                          department
    encrypt_vector(key, d)       ----------->     EncodedMatrix.multiply(public key, vector)
    decrypt_products(key, ...)   <-----------     MaskedProducts.ciphertexts   (the masks stay)
    words mod t                  ----------->     centred(words - masks mod t) = <d, x_k>, exactly

| who        | learns                                                                     |
|------------|----------------------------------------------------------------------------|
| bank       | uniform words mod t; the number of columns; the stride                     |
| department | the inner products, once the bank has returned the words; never the vector |
| others     | sizes                                                                      |

A malicious bank: see `flooding.py`. A malicious department may choose columns of a single one and so read as many
values of the vector as it has columns: the caller bounds rounds and columns. Nothing here authenticates the sender.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from crypto.errors import InvalidCiphertext, MalformedMessage, ProtectionUnavailable, ProtocolStateError
from crypto.lattice.ciphertext import (
    Kind,
    frame,
    packed_bytes,
    refuse_transparent,
    unframe,
    unpack,
)
from crypto.lattice.circuit import (
    Group,
    accumulate,
    check_stride,
    chunk_body,
    encode_group,
    load_chunk,
    wanted_coefficients,
)
from crypto.lattice.flooding import protect
from crypto.lattice.keys import BankLatticeKey, LatticePublicKey
from crypto.lattice.noise import refuse_noise, refuse_overflow
from crypto.lattice.parameters import INNER_PRODUCT, LatticeParameters
from crypto.lattice.seal import Words, ring
from crypto.secret import Secret

MAXIMUM_ROWS: Final = 1 << 24
"""More rows than any register of enterprises here has."""

STRIDES: Final = (256, 512, 1024, 2048, 4096)

CHUNK_SECONDS: Final = 0.005
"""To move a chunk to a department and to transform it there, in each worker that reads it."""

ANSWER_SECONDS: Final = 0.0055
"""To flood, cut, move and open an answer."""

_LIMB_BITS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptedVector:
    """A vector under a bank's key.

    rows: its length. stride: values a chunk. magnitude_bits: every value's size is below 2^this.
    chunks: ceil(rows / stride) ciphertexts.
    """

    key_fingerprint: bytes
    rows: int
    stride: int
    magnitude_bits: int
    chunks: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class MaskedProducts(Secret):
    """A department's answer, and the pads that it keeps.

    ciphertexts: one a group of N / stride columns. mask: (parameters,) words mod t, secret.
    """

    ciphertexts: tuple[bytes, ...]
    mask: Words


def chunk_count(rows: int, stride: int) -> int:
    """Return how many chunks a vector has."""
    return -(-rows // stride)


def choose_stride(rows: int, columns: int, parameters: LatticeParameters = INNER_PRODUCT) -> int:
    """Return the stride that makes a vector's products with one department's columns cheapest.

    A larger one makes fewer chunks to read and more answers to make; the products cost the same. The weights were
    measured: docs/adr/0007.
    """

    def seconds(stride: int) -> float:
        chunks, answers = -(-rows // stride), -(-columns * stride // parameters.poly_modulus_degree)
        return chunks * CHUNK_SECONDS + answers * ANSWER_SECONDS

    return min(STRIDES, key=seconds)


def largest_magnitude_bits(rows: int, parameters: LatticeParameters = INNER_PRODUCT) -> int:
    """Return the largest `magnitude_bits` with which columns of 0 and 1 cannot overflow."""
    return parameters.plain_modulus_bits - 1 - rows.bit_length()


def encrypt_vector(
    key: BankLatticeKey, values: NDArray[np.int64], *, stride: int, magnitude_bits: int | None = None
) -> EncryptedVector:
    """Encrypt values (rows,) chunk by chunk, each chunk a seed and one polynomial.

    magnitude_bits: a public bound on every value's size; as it stands the most that columns of 0 and 1 allow.
    Raises `ProtectionUnavailable` if a value is not below it.
    """
    (piece,), bits = vector_pieces(key, values, stride, magnitude_bits, 1)
    return vector_of_chunks(key, values.size, stride, bits, encrypt_chunks(key, piece, stride))


def vector_pieces(
    key: BankLatticeKey, values: NDArray[np.int64], stride: int, magnitude_bits: int | None, pieces: int
) -> tuple[list[NDArray[np.int64]], int]:
    """Check values and cut them into up to `pieces` pieces of whole chunks; return the bound on them too."""
    bits = largest_magnitude_bits(values.size, key.parameters) if magnitude_bits is None else magnitude_bits
    check_stride(key.parameters, stride)
    if key.parameters != INNER_PRODUCT or values.ndim != 1 or not 0 < values.size <= MAXIMUM_ROWS:
        raise ProtocolStateError("a vector has one axis, one value at least and a key for inner products")
    if bits < 0 or int(values.max()) >= 1 << bits or int(values.min()) <= -(1 << bits):
        raise ProtectionUnavailable(f"a value of the vector has more than {bits} bits")
    share = math.ceil(chunk_count(values.size, stride) / pieces) * stride
    return [values[start : start + share] for start in range(0, values.size, share)], bits


def vector_of_chunks(
    key: BankLatticeKey, rows: int, stride: int, magnitude_bits: int, chunks: Sequence[bytes]
) -> EncryptedVector:
    """Put chunks together, in order."""
    return EncryptedVector(
        key_fingerprint=key.public.fingerprint(),
        rows=rows,
        stride=stride,
        magnitude_bits=magnitude_bits,
        chunks=tuple(chunks),
    )


def encrypt_chunks(key: BankLatticeKey, values: NDArray[np.int64], stride: int) -> list[bytes]:
    """Encrypt values that `encrypt_vector` has checked; for the workers, who do it in pieces."""
    here, fingerprint = ring(key.parameters), key.public.fingerprint()
    modulo = np.uint64(key.parameters.plain_modulus - 1)
    chunks = []
    for start in range(0, values.size, stride):
        plaintext = here.plaintext(values[start : start + stride].astype(np.int64).view(np.uint64) & modulo)
        words, seed = here.seeded_words(key.encryptor.encrypt_symmetric(plaintext))
        chunks.append(frame(Kind.VECTOR, fingerprint, chunk_body(words, seed, key.parameters)))
    return chunks


class EncodedMatrix:
    """Columns made ready for products: 24 bytes and 45 ns an entry, once; then 25 ns an entry and product."""

    def __init__(
        self, groups: tuple[Group, ...], *, rows: int, stride: int, column_mass: int, parameters: LatticeParameters
    ) -> None:
        self._groups = groups
        self.rows = rows
        self.stride = stride
        self.column_mass = column_mass
        self.parameters = parameters

    @classmethod
    def encode(
        cls, columns: NDArray[np.integer[Any]], *, stride: int, parameters: LatticeParameters = INNER_PRODUCT
    ) -> Self:
        """Encode columns (rows, parameters) of small integers.

        Raises `ProtectionUnavailable` if their products could not be hidden or could fail to decrypt.
        """
        column_mass = cls.refuse(columns, stride, parameters)
        width = parameters.poly_modulus_degree // stride
        groups = tuple(
            encode_group(columns[:, start : start + width], stride, parameters)
            for start in range(0, columns.shape[1], width)
        )
        return cls(groups, rows=columns.shape[0], stride=stride, column_mass=column_mass, parameters=parameters)

    @staticmethod
    def refuse(columns: NDArray[np.integer[Any]], stride: int, parameters: LatticeParameters) -> int:
        """Refuse columns as `encode` does, before any work; return the largest sum of sizes of a column's entries."""
        check_stride(parameters, stride)
        if columns.ndim != 2 or not 0 < columns.shape[0] <= MAXIMUM_ROWS or columns.shape[1] == 0:
            raise ProtocolStateError("columns have two axes, neither of them empty")
        if not np.issubdtype(columns.dtype, np.integer):
            raise ProtocolStateError("columns are integers")
        masses, width = column_masses(columns), parameters.poly_modulus_degree // stride
        for start in range(0, columns.shape[1], width):
            refuse_noise(parameters, sum(int(mass) for mass in masses[start : start + width]))
        refuse_overflow(parameters, max(int(mass) for mass in masses), 0)
        return max(int(mass) for mass in masses)

    @property
    def groups(self) -> tuple[Group, ...]:
        """The groups of columns, transformed."""
        return self._groups

    def multiply(self, public_key: LatticePublicKey, vector: EncryptedVector) -> MaskedProducts:
        """Multiply the vector with all columns: the masked, flooded answers for the key holder, and the masks.

        Raises `MalformedMessage` or `InvalidCiphertext` for a vector that is not one of ours for this matrix and key,
        `ProtectionUnavailable` if a result could overflow.
        """
        chunks = self.load(public_key, vector)
        answers, masks = [], []
        for group in self._groups:
            total = accumulate(group, chunks, self.parameters)
            wanted = wanted_coefficients(self.parameters, self.stride, group.columns)
            answer, pads = protect(total, public_key, wanted)
            answers.append(answer)
            masks.append(pads)
        return MaskedProducts(ciphertexts=tuple(answers), mask=np.concatenate(masks))

    def load(self, public_key: LatticePublicKey, vector: EncryptedVector) -> list[Any]:
        """Check a vector against this matrix and key, and transform its chunks."""
        refuse_vector(vector, public_key, rows=self.rows, stride=self.stride, column_mass=self.column_mass)
        return [load_chunk(chunk, public_key.fingerprint(), self.parameters) for chunk in vector.chunks]


def column_masses(columns: NDArray[np.integer[Any]]) -> NDArray[Any]:
    """Return the sum of sizes of each column (columns,), as Python integers where 64 bits could overflow."""
    largest = max(abs(int(columns.max())), abs(int(columns.min())))
    if largest * columns.shape[0] < 1 << 62:
        return np.asarray(np.abs(columns.astype(np.int64)).sum(axis=0))
    return np.asarray(np.abs(columns.astype(object)).sum(axis=0))


def refuse_vector(vector: EncryptedVector, key: LatticePublicKey, *, rows: int, stride: int, column_mass: int) -> None:
    """Refuse a vector that does not fit, from its description alone."""
    if key.parameters != INNER_PRODUCT:
        raise MalformedMessage("the key is not one for inner products")
    if vector.key_fingerprint != key.fingerprint():
        raise InvalidCiphertext("the vector is under another key")
    if vector.rows != rows or vector.stride != stride:
        raise MalformedMessage("the vector has not the rows and stride of the columns")
    if len(vector.chunks) != chunk_count(rows, stride):
        raise MalformedMessage("the vector has not the chunks that its rows ask for")
    if not 0 <= vector.magnitude_bits < key.parameters.plain_modulus_bits:
        raise MalformedMessage("the vector's bound makes no sense")
    refuse_overflow(key.parameters, column_mass, vector.magnitude_bits)


def answer_bytes(parameters: LatticeParameters, columns: int) -> int:
    """Return the size of the body of an answer of `columns`."""
    return 2 + packed_bytes(ring(parameters).bottom.primes, columns + parameters.poly_modulus_degree)


def decrypt_products(key: BankLatticeKey, ciphertexts: Sequence[bytes], *, columns: int, stride: int) -> Words:
    """Decrypt answers to words (columns,) mod t: masked, if a department made them.

    Raises `MalformedMessage` or `InvalidCiphertext` for what is no answer under this key.
    """
    return read_products(key, ciphertexts, columns=columns, stride=stride)[0]


def read_products(
    key: BankLatticeKey, ciphertexts: Sequence[bytes], *, columns: int, stride: int
) -> tuple[Words, NDArray[np.float64]]:
    """Decrypt as `decrypt_products`, and return each word's noise (columns,) beside it.

    The noise is for measuring; it goes nowhere. No SEAL: with s at hand a word is an inner product of N terms.
    """
    width = key.parameters.poly_modulus_degree // stride
    if len(ciphertexts) != -(-columns // width):
        raise MalformedMessage("the answer has not the ciphertexts that its columns ask for")
    words, noises = [], []
    for index, data in enumerate(ciphertexts):
        count = min(width, columns - index * width)
        for word, noise in _read_answer(key, data, wanted_coefficients(key.parameters, stride, count)):
            words.append(word)
            noises.append(noise)
    return np.array(words, dtype=np.uint64), np.array(noises, dtype=np.float64)


def _read_answer(key: BankLatticeKey, data: bytes, wanted: NDArray[np.int64]) -> list[tuple[int, float]]:
    level, plain = ring(key.parameters).bottom, key.parameters.plain_modulus
    size = answer_bytes(key.parameters, wanted.size)
    body = unframe(Kind.ANSWER, key.public.fingerprint(), data, body_bytes=size)
    if int.from_bytes(body[:2], "little") != wanted.size:
        raise MalformedMessage("the answer has not the columns expected")
    cut = 2 + packed_bytes(level.primes, wanted.size)
    first = unpack(body[2:cut], level.primes, wanted.size)
    second = unpack(body[cut:], level.primes, key.parameters.poly_modulus_degree)
    refuse_transparent(second)
    found = []
    for low, product in zip(first[0], _times_secret(key, second[0], wanted), strict=True):
        phase = (int(low) + product) % level.modulus
        message = (phase * plain + level.modulus // 2) // level.modulus
        found.append((message % plain, (phase * plain - message * level.modulus) / plain))
    return found


def _times_secret(key: BankLatticeKey, second: Words, wanted: NDArray[np.int64]) -> list[int]:
    """Return the wanted coefficients of c1 s, exactly: three limbs of 20 bits, each sum below 2^33."""
    degree = key.parameters.poly_modulus_degree
    shift = wanted[:, np.newaxis] - np.arange(degree)
    rows = np.where(shift >= 0, 1.0, -1.0) * key.coefficients[shift % degree]
    limbs = [((second >> np.uint64(_LIMB_BITS * i)) & np.uint64((1 << _LIMB_BITS) - 1)) for i in range(3)]
    sums = rows @ np.stack(limbs, axis=1).astype(np.float64)
    return [sum(int(limb) << (_LIMB_BITS * i) for i, limb in enumerate(row)) for row in sums]


def centred(words: Words, parameters: LatticeParameters = INNER_PRODUCT) -> NDArray[np.int64]:
    """Read words mod t as signed integers in [-t/2, t/2)."""
    shift = np.uint64(64 - parameters.plain_modulus_bits)
    return (words << shift).view(np.int64) >> np.int64(shift)
