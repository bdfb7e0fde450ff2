"""How fast encrypted arithmetic is: inner products with flooding and without, and a register's scores added up.

Everything runs in this process on one core. Times are processor times, medians of `REPETITIONS`.
"""

import math
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar

import numpy as np

from crypto.lattice import addition
from crypto.lattice.circuit import accumulate, wanted_coefficients
from crypto.lattice.flooding import protect
from crypto.lattice.inner_product import (
    EncodedMatrix,
    EncryptedVector,
    centred,
    choose_stride,
    encrypt_vector,
    read_products,
)
from crypto.lattice.keys import BankLatticeKey, LatticePublicKey
from crypto.lattice.noise import answer_budget_bits, distance_bits, room_bits
from crypto.lattice.parameters import ADDITION, INNER_PRODUCT
from crypto.lattice.seal import Words, ring

REPETITIONS: Final = 5
NANOSECONDS: Final = 1e9

_Result = TypeVar("_Result")


def timed(work: Callable[[], _Result], repetitions: int = REPETITIONS) -> tuple[float, _Result]:
    """Return the median processor time in seconds, and what the last repetition gave."""
    seconds = []
    for _ in range(repetitions):
        start = time.process_time()
        result = work()
        seconds.append(time.process_time() - start)
    return statistics.median(seconds), result


def measure_arithmetic(rows: int = 65_536, columns: int = 20, *, stride: int | None = None) -> dict[str, Any]:
    """Measure one department's inner products of `rows` encrypted values with `columns` of 0 and 1.

    ns_per_cell: reading the ciphertexts, products and sums; ns_per_cell_with_flooding: to the finished answer.
    noise_budget_left_bits: measured in the answers; _floor: what the worst case leaves.
    statistical_distance_bits: -log2 of how far all words of the answers are from telling nothing but the results.
    """
    stride = stride or choose_stride(rows, columns)
    rng = np.random.default_rng(42)
    matrix = rng.integers(0, 2, (rows, columns)).astype(np.uint8)
    values = rng.integers(-(2**24), 2**24, rows)
    key = BankLatticeKey.generate(INNER_PRODUCT)
    encode_seconds, encoded = timed(lambda: EncodedMatrix.encode(matrix, stride=stride), 1)
    encrypt_seconds, vector = timed(lambda: encrypt_vector(key, values, stride=stride))
    bare_seconds, _ = timed(lambda: _products_alone(encoded, key.public, vector))
    full_seconds, answer = timed(lambda: encoded.multiply(key.public, vector))
    decrypt_seconds, (words, noise) = timed(
        lambda: read_products(key, answer.ciphertexts, columns=columns, stride=stride)
    )
    mass = max(group.mass for group in encoded.groups)
    cells = rows * columns
    return {
        "rows": rows,
        "columns": columns,
        "stride": stride,
        "ns_per_cell": NANOSECONDS * bare_seconds / cells,
        "ns_per_cell_with_flooding": NANOSECONDS * full_seconds / cells,
        "noise_budget_left_bits": _budget_left(noise),
        "noise_budget_left_bits_floor": answer_budget_bits(INNER_PRODUCT, mass),
        "statistical_distance_bits": distance_bits(INNER_PRODUCT, mass, columns),
        "exact": bool(np.array_equal(centred(words - answer.mask), values @ matrix.astype(np.int64))),
        "seconds": {
            "encode_once": encode_seconds,
            "encrypt_vector": encrypt_seconds,
            "multiply": full_seconds,
            "decrypt_products": decrypt_seconds,
        },
        "bytes": {
            "public_key": len(key.public.to_bytes()),
            "vector": sum(map(len, vector.chunks)),
            "answer": sum(map(len, answer.ciphertexts)),
        },
    }


def _products_alone(encoded: EncodedMatrix, key: LatticePublicKey, vector: EncryptedVector) -> None:
    chunks = encoded.load(key, vector)
    for group in encoded.groups:
        accumulate(group, chunks, INNER_PRODUCT)


def _budget_left(noise: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    room = room_bits(ring(INNER_PRODUCT).bottom.modulus, INNER_PRODUCT)
    return room - math.log2(max(float(np.abs(noise).max()), 1.0))


def measure_flooding() -> dict[str, float]:
    """Measure what the protection of one answer costs: milliseconds, for 4 columns and for 128."""
    key = BankLatticeKey.generate(INNER_PRODUCT)
    found = {}
    for stride in (2048, 64):
        wanted = wanted_coefficients(INNER_PRODUCT, stride, INNER_PRODUCT.poly_modulus_degree // stride)
        seconds, _ = timed(partial(protect, None, key.public, wanted), 20)
        found[f"milliseconds_an_answer_of_{wanted.size}"] = 1000 * seconds
    return found


def _encrypted(key: LatticePublicKey, words: Words) -> list[bytes]:
    return list(addition.encrypt_blocks(key, words))


def measure_addition(enterprises: int = 1_000_000, departments: int = 26) -> dict[str, Any]:
    """Measure a register's batch: one department's encryption, the addition over all, the bank's decryption.

    `departments` different contributions are made and added block by block, so memory stays bounded.
    """
    key, rng = BankLatticeKey.generate(ADDITION), np.random.default_rng(42)
    spent = {"encrypt_all_departments": 0.0, "add": 0.0, "decrypt": 0.0}
    exact, answer_bytes = True, 0

    def clocked(step: str, work: Callable[[], _Result]) -> _Result:
        seconds, result = timed(work, 1)
        spent[step] += seconds
        return result

    for start in range(0, enterprises, addition.BLOCK):
        count = min(addition.BLOCK, enterprises - start)
        words = rng.integers(0, ADDITION.plain_modulus, (departments, count), dtype=np.uint64)
        parts = clocked("encrypt_all_departments", partial(_encrypted, key.public, words))
        total = clocked("add", partial(addition.add_block, parts))
        found = clocked("decrypt", partial(addition.decrypt_sums, key, [total], count=count))
        exact &= np.array_equal(found, words.sum(axis=0) % np.uint64(ADDITION.plain_modulus))
        answer_bytes += len(total)
    spent["encrypt_one_department"] = spent["encrypt_all_departments"] / departments
    return {
        "enterprises": enterprises,
        "departments": departments,
        "seconds_one_core": spent,
        "bytes_per_score": answer_bytes / enterprises,
        "exact": bool(exact),
    }
