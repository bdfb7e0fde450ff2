"""The product itself, without any protection: what it makes never leaves its owner as it is.

Packing into coefficients (no rotations, no further keys). A vector is cut into chunks of `stride` values; a chunk d is
the polynomial sum_i d_i X^i. Columns are taken N / stride at a time; column k of such a group, cut alike, is

    sum_i x_i X^(k * stride + stride - 1 - i)

so in the product, coefficient k * stride + stride - 1 is <d, x_k>. Products of a group's chunks are added.

The time of a product depends on which blocks of a matrix are zero throughout; nobody but the owner should time it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tenseal.sealapi as seal
from numpy.typing import NDArray

from crypto.errors import InvalidCiphertext, ProtocolStateError
from crypto.lattice.ciphertext import Kind, pack, packed_bytes, refuse_transparent, unframe, unpack
from crypto.lattice.parameters import LatticeParameters
from crypto.lattice.seal import SEED_BYTES, Ring, Words, ring

SMALLEST_STRIDE = 64


def check_stride(parameters: LatticeParameters, stride: int) -> None:
    """Raise `ProtocolStateError` unless `stride` is a power of two from 64 to N."""
    if not SMALLEST_STRIDE <= stride <= parameters.poly_modulus_degree or stride & (stride - 1):
        raise ProtocolStateError("a stride is a power of two, 64 at least and the ring's degree at most")


def wanted_coefficients(parameters: LatticeParameters, stride: int, columns: int) -> NDArray[np.int64]:
    """Return where the inner products of a group of `columns` stand: (columns,)."""
    check_stride(parameters, stride)
    return np.arange(columns, dtype=np.int64) * stride + (stride - 1)


@dataclass(frozen=True, slots=True)
class Group:
    """Up to N / stride columns, transformed.

    blocks: SEAL plaintexts, one a chunk of rows; None where all entries are zero. columns: how many there are.
    mass: the sum of the sizes of all entries.
    """

    blocks: tuple[Any, ...]
    columns: int
    mass: int


def block_coefficients(block: NDArray[np.int64], stride: int, parameters: LatticeParameters) -> Words:
    """Lay out a block (up to stride rows, columns) as coefficients (N,) mod t."""
    laid = np.zeros((parameters.poly_modulus_degree // stride, stride), dtype=np.int64)
    laid[: block.shape[1], stride - block.shape[0] :] = block[::-1].T
    words: Words = laid.reshape(-1).view(np.uint64) & np.uint64(parameters.plain_modulus - 1)
    return words


def encode_group(columns: NDArray[np.integer[Any]], stride: int, parameters: LatticeParameters) -> Group:
    """Encode and transform a group of columns (rows, up to N / stride)."""
    here, blocks = ring(parameters), []
    for start in range(0, columns.shape[0], stride):
        block = columns[start : start + stride].astype(np.int64)
        blocks.append(_transformed_block(here, block, stride) if np.any(block) else None)
    mass = int(np.abs(columns.astype(np.int64)).sum())
    return Group(tuple(blocks), columns.shape[1], mass)


def _transformed_block(here: Ring, block: NDArray[np.int64], stride: int) -> Any:
    plaintext = here.plaintext(block_coefficients(block, stride, here.parameters))
    here.evaluator.transform_to_ntt_inplace(plaintext, here.top.parms_id)
    return plaintext


def vector_chunk_bytes(parameters: LatticeParameters) -> int:
    """Return the size of a chunk's body."""
    return SEED_BYTES + packed_bytes(ring(parameters).top.primes, parameters.poly_modulus_degree)


def chunk_body(words: Words, seed: bytes, parameters: LatticeParameters) -> bytes:
    """Write a chunk: the first polynomial (primes, N) and the second one's seed."""
    return seed + pack(words, ring(parameters).top.primes)


def load_chunk(data: bytes, fingerprint: bytes, parameters: LatticeParameters) -> Any:
    """Read a chunk strictly and transform it. Raises `MalformedMessage` or `InvalidCiphertext`."""
    here = ring(parameters)
    body = unframe(Kind.VECTOR, fingerprint, data, body_bytes=vector_chunk_bytes(parameters))
    words = unpack(body[SEED_BYTES:], here.top.primes, parameters.poly_modulus_degree)
    refuse_transparent(words)
    ciphertext = here.seeded_ciphertext(words, body[:SEED_BYTES])
    if ciphertext.is_transparent():
        raise InvalidCiphertext("the ciphertext is transparent: it hides nothing")
    here.evaluator.transform_to_ntt_inplace(ciphertext)
    return ciphertext


def accumulate(group: Group, chunks: Sequence[Any], parameters: LatticeParameters) -> Any | None:
    """Return the sum over chunks of products, no longer transformed; None if the group is zero throughout.

    The result's noise tells the key holder the columns. It has to be protected before it is sent.
    """
    evaluator = ring(parameters).evaluator
    total, product = None, seal.Ciphertext()
    for block, chunk in zip(group.blocks, chunks, strict=True):
        if block is None:
            continue
        if total is None:
            total = seal.Ciphertext()
            evaluator.multiply_plain(chunk, block, total)
        else:
            evaluator.multiply_plain(chunk, block, product)
            evaluator.add_inplace(total, product)
    if total is not None:
        evaluator.transform_from_ntt_inplace(total)
    return total
