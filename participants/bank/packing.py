"""How many residuals a bank packs into one ciphertext: its stride, a power of two.

A larger stride makes fewer chunks to send and more answers to make. Chunks weigh more where a cohort has many rows,
answers where blocks are large; every department pays for both. The weights below were measured
(`docs/adr/0007-stride-by-cohort.md`).
"""

from __future__ import annotations

from typing import Final

from crypto.lattice.parameters import INNER_PRODUCT

SMALLEST_STRIDE: Final = 256
LARGEST_STRIDE: Final = 4096
ANSWER_SECONDS: Final = 0.0055  # to flood, cut, move and open one answer
CHUNK_SECONDS: Final = 0.005  # to move one chunk to one department and transform it there


def choose_stride(*, rows: int, largest_block: int, departments: int) -> int:
    """The stride that makes a round cheapest for a cohort of `rows` rows."""

    def seconds(stride: int) -> float:
        chunks = -(-rows // stride)
        answers = -(-largest_block * stride // INNER_PRODUCT.poly_modulus_degree)
        return departments * (answers * ANSWER_SECONDS + chunks * CHUNK_SECONDS)

    strides = [1 << bits for bits in range(SMALLEST_STRIDE.bit_length() - 1, LARGEST_STRIDE.bit_length())]
    return min(strides, key=seconds)
