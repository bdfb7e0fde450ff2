import dataclasses
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from crypto.errors import InvalidCiphertext, MalformedMessage, ProtectionUnavailable, ProtocolStateError
from crypto.lattice.inner_product import EncryptedVector, centred
from crypto.lattice.keys import BankLatticeKey
from crypto.lattice.parameters import ADDITION
from crypto.lattice.workers import LatticeWorkers

STRIDE = 1024


@pytest.fixture(scope="module")
def workers() -> Iterator[LatticeWorkers]:
    with LatticeWorkers(2, entries_a_worker=1) as started:
        yield started


@pytest.fixture(scope="module")
def columns() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 2, (3000, 40)).astype(np.uint8)


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    return np.random.default_rng(2).integers(-(2**30), 2**30, 3000)


def product(
    workers: LatticeWorkers, bank: BankLatticeKey, name: str, vector: EncryptedVector, width: int
) -> np.ndarray:
    answer = workers.multiply(name, bank.public, vector)
    words = workers.decrypt_products(bank, answer.ciphertexts, columns=width, stride=vector.stride)
    return centred(words - answer.mask)


@pytest.mark.parametrize("width", [1, 8, 17, 40])
def test_columns_dealt_over_workers_give_the_same_products(
    workers: LatticeWorkers, bank: BankLatticeKey, columns: np.ndarray, values: np.ndarray, width: int
) -> None:
    workers.encode_matrix("block", columns[:, :width], STRIDE)
    vector = workers.encrypt_vector(bank, values, stride=STRIDE)
    assert len(vector.chunks) == 3
    expected = values @ columns[:, :width].astype(np.int64)
    assert np.array_equal(product(workers, bank, "block", vector, width), expected)


def test_several_threads_may_use_the_workers_at_once(
    workers: LatticeWorkers, bank: BankLatticeKey, columns: np.ndarray, values: np.ndarray
) -> None:
    vector = workers.encrypt_vector(bank, values, stride=STRIDE)

    def use(index: int) -> bool:
        mine = np.ascontiguousarray(np.roll(columns, index, axis=1)[:, :9])
        workers.encode_matrix(f"block {index}", mine, STRIDE)
        result = product(workers, bank, f"block {index}", vector, 9)
        workers.forget(f"block {index}")
        return np.array_equal(result, values @ mine.astype(np.int64))

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(use, range(6)))


def test_sums_are_the_same_in_workers(workers: LatticeWorkers, scoring_bank: BankLatticeKey) -> None:
    words = np.random.default_rng(3).integers(0, ADDITION.plain_modulus, 20_000).astype(np.uint64)
    for count in (20_000, 10):
        encrypted = workers.encrypt_partials(scoring_bank.public, words[:count])
        sums = workers.add([encrypted, encrypted])
        decrypted = workers.decrypt_sums(scoring_bank, sums, count=count)
        assert np.array_equal(decrypted, words[:count] * np.uint64(2) % np.uint64(ADDITION.plain_modulus))


def test_a_hostile_ciphertext_is_one_error_and_the_service_goes_on(
    workers: LatticeWorkers, bank: BankLatticeKey, columns: np.ndarray, values: np.ndarray
) -> None:
    workers.encode_matrix("block", columns, STRIDE)
    vector = workers.encrypt_vector(bank, values, stride=STRIDE)
    damaged = dataclasses.replace(vector, chunks=(vector.chunks[0], vector.chunks[1][:-1], vector.chunks[2]))
    with pytest.raises(MalformedMessage):
        workers.multiply("block", bank.public, damaged)
    assert np.array_equal(product(workers, bank, "block", vector, 40), values @ columns.astype(np.int64))


def test_a_worker_that_dies_is_replaced_with_its_columns(
    bank: BankLatticeKey, columns: np.ndarray, values: np.ndarray
) -> None:
    with LatticeWorkers(2, entries_a_worker=1) as workers:
        workers.encode_matrix("block", columns, STRIDE)
        vector = workers.encrypt_vector(bank, values, stride=STRIDE)
        expected = values @ columns.astype(np.int64)
        for moment in ("at work", "idle"):
            (victim,) = workers.process_ids()[:1]
            if moment == "idle":
                os.kill(victim, signal.SIGKILL)
                time.sleep(0.5)
            else:
                # stopped first, so that the death surely falls into the call
                os.kill(victim, signal.SIGSTOP)
                threading.Timer(0.5, os.kill, (victim, signal.SIGKILL)).start()
                with pytest.raises(InvalidCiphertext, match="replaced"):
                    workers.multiply("block", bank.public, vector)
            assert np.array_equal(product(workers, bank, "block", vector, 40), expected)
            assert victim not in workers.process_ids()


def test_what_cannot_be_hidden_is_refused_before_anything_starts(workers: LatticeWorkers) -> None:
    with pytest.raises(ProtectionUnavailable):
        workers.encode_matrix("loud", np.full((8192, 4), 1 << 31, dtype=np.int64), 2048)
    with pytest.raises(ProtocolStateError):
        workers.encode_matrix("uneven", np.ones((10, 2), dtype=np.uint8), 1000)


def test_unknown_and_forgotten_names_are_refused(
    workers: LatticeWorkers, bank: BankLatticeKey, columns: np.ndarray, values: np.ndarray
) -> None:
    vector = workers.encrypt_vector(bank, values, stride=STRIDE)
    workers.encode_matrix("block", columns, STRIDE)
    workers.forget("block")
    workers.forget("block")
    for name in ("block", "never"):
        with pytest.raises(ProtocolStateError):
            workers.multiply(name, bank.public, vector)


def test_no_workers_are_no_service() -> None:
    with pytest.raises(ProtocolStateError):
        LatticeWorkers(0)
