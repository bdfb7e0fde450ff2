"""Lattice work in processes of its own, each with its share of the columns.

SEAL's bindings hold the interpreter's lock, so threads would wait for each other; and what a stranger sent is read
where a crash takes nothing else along. Each worker is one process with one task at a time. The columns of a named
matrix are dealt out in whole groups; every worker transforms the vector for itself.

A worker that dies is replaced, and gets its columns again. The call it died in ends in `InvalidCiphertext`: what an
honest party sends does not kill a worker. Keys go to workers as bytes, in a call that says so; nothing that
holds a secret is pickled. Masks come back through a pipe between two processes of one owner.
"""

import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from types import TracebackType
from typing import Any, Final, ParamSpec, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from crypto.errors import InvalidCiphertext, ProtocolStateError
from crypto.lattice import addition, tasks
from crypto.lattice.inner_product import (
    EncodedMatrix,
    EncryptedVector,
    MaskedProducts,
    column_masses,
    decrypt_products,
    refuse_vector,
    vector_of_chunks,
    vector_pieces,
)
from crypto.lattice.keys import BankLatticeKey, LatticePublicKey
from crypto.lattice.parameters import INNER_PRODUCT
from crypto.lattice.seal import Words

ENTRIES_A_WORKER: Final = 1 << 22
"""Columns with fewer entries stay with one worker: each further one transforms the whole vector once more."""

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class _Worker:
    """One process, replaced when it dies, and the columns that it has to know.

    A thread of its own hands it one task after the other, so a death is the fault of the task at hand.
    """

    def __init__(self) -> None:
        self._columns: dict[str, tuple[NDArray[np.integer[Any]], int]] = {}
        self._queue = ThreadPoolExecutor(1, thread_name_prefix="lattice")
        self._process = self._start()

    @staticmethod
    def _start() -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(1, mp_context=context, initializer=tasks.start)

    def submit(
        self, task: Callable[_Arguments, _Result], *args: _Arguments.args, **kwargs: _Arguments.kwargs
    ) -> Future[_Result]:
        """Queue a task."""
        return self._queue.submit(self._run, partial(task, *args, **kwargs))

    def remember(self, name: str, columns: NDArray[np.integer[Any]], stride: int) -> Future[None]:
        """Queue the encoding of columns, now and for every successor of the process."""
        self._columns[name] = (columns, stride)
        return self.submit(tasks.encode_matrix, name, columns, stride)

    def forget(self, name: str) -> Future[None]:
        """Queue the opposite."""
        self._columns.pop(name, None)
        return self.submit(tasks.forget_matrix, name)

    def process_id(self) -> int:
        """Return the process's id; it is started if it was not."""
        return self.submit(os.getpid).result()

    def _run(self, task: Callable[[], _Result]) -> _Result:
        try:
            future = self._process.submit(task)
        except BrokenProcessPool:  # it died between two tasks
            self._replace()
            future = self._process.submit(task)
        try:
            return future.result()
        except BrokenProcessPool as error:
            self._replace()
            raise InvalidCiphertext("a worker died of what it was given, and was replaced") from error

    def _replace(self) -> None:
        self._process.shutdown(wait=False)
        self._process = self._start()
        for name, (columns, stride) in tuple(self._columns.items()):
            self._process.submit(tasks.encode_matrix, name, columns, stride)

    def close(self) -> None:
        """Drop what waits, let what runs end, and end the process."""
        self._queue.shutdown(wait=True, cancel_futures=True)
        self._process.shutdown(wait=True)


class _Shape:
    """What is known here of a named matrix."""

    def __init__(self, columns: NDArray[np.integer[Any]], stride: int, holders: tuple[_Worker, ...]) -> None:
        self.rows = columns.shape[0]
        self.stride = stride
        self.column_mass = int(column_masses(columns).max())
        self.holders = holders


class LatticeWorkers:
    """`processes` workers. A context manager; safe to use from several threads at once.

    A matrix is dealt out over as many of them as give each `entries_a_worker` entries to hold.
    """

    def __init__(self, processes: int = 1, *, entries_a_worker: int = ENTRIES_A_WORKER) -> None:
        if processes < 1:
            raise ProtocolStateError("lattice work needs one process at least")
        self._workers = tuple(_Worker() for _ in range(processes))
        self._shapes: dict[str, _Shape] = {}
        self._entries_a_worker = entries_a_worker
        self._turn = 0
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def process_ids(self) -> tuple[int, ...]:
        """Return the processes' ids, for whoever watches them."""
        return tuple(worker.process_id() for worker in self._workers)

    def close(self) -> None:
        """End all workers, after what they are doing now."""
        for worker in self._workers:
            worker.close()

    def encode_matrix(self, name: str, columns: NDArray[np.integer[Any]], stride: int) -> None:
        """Keep columns (rows, parameters) under a name, dealt out over the workers and ready for products.

        Raises what `EncodedMatrix.encode` does; then the name is not taken.
        """
        EncodedMatrix.refuse(columns, stride, INNER_PRODUCT)
        self.forget(name)
        width = INNER_PRODUCT.poly_modulus_degree // stride
        groups = -(-columns.shape[1] // width)
        workers = self._next_workers(-(-columns.size // self._entries_a_worker))
        edges = [width * (groups * index // len(workers)) for index in range(len(workers))]
        edges.append(columns.shape[1])
        shares = [(w, columns[:, a:b]) for w, a, b in zip(workers, edges, edges[1:], strict=False) if a < b]
        futures = [worker.remember(name, np.ascontiguousarray(share), stride) for worker, share in shares]
        _all_results(futures)
        with self._lock:
            self._shapes[name] = _Shape(columns, stride, tuple(worker for worker, _ in shares))

    def _next_workers(self, count: int) -> tuple[_Worker, ...]:
        """Up to `count` workers, beginning where the last matrix ended: small matrices go to one worker each."""
        with self._lock:
            start, everybody = self._turn, len(self._workers)
            self._turn = (start + min(count, everybody)) % everybody
        return tuple(self._workers[(start + index) % everybody] for index in range(min(count, everybody)))

    def holds(self, name: str) -> bool:
        """Whether columns are kept under a name."""
        with self._lock:
            return name in self._shapes

    def forget(self, name: str) -> None:
        """Give up the columns under a name; nothing happens if there are none."""
        with self._lock:
            shape = self._shapes.pop(name, None)
        _all_results([worker.forget(name) for worker in shape.holders] if shape else [])

    def multiply(self, name: str, public_key: LatticePublicKey, vector: EncryptedVector) -> MaskedProducts:
        """Multiply a vector with the columns under a name; see `EncodedMatrix.multiply`."""
        with self._lock:
            shape = self._shapes.get(name)
        if shape is None:
            raise ProtocolStateError("no columns are kept under this name")
        refuse_vector(vector, public_key, rows=shape.rows, stride=shape.stride, column_mass=shape.column_mass)
        key = public_key.to_bytes()
        futures = [worker.submit(tasks.multiply, name, key, vector) for worker in shape.holders]
        answers = _all_results(futures)
        return MaskedProducts(
            ciphertexts=tuple(ciphertext for ciphertexts, _ in answers for ciphertext in ciphertexts),
            mask=np.concatenate([mask for _, mask in answers]),
        )

    def encrypt_vector(
        self, key: BankLatticeKey, values: NDArray[np.int64], *, stride: int, magnitude_bits: int | None = None
    ) -> EncryptedVector:
        """Encrypt as `inner_product.encrypt_vector` does, in all workers."""
        pieces, bits = vector_pieces(key, values, stride, magnitude_bits, len(self._workers))
        private = key.to_private_bytes()
        futures = [
            worker.submit(tasks.encrypt_chunks, private, piece, stride)
            for worker, piece in zip(self._workers, pieces, strict=False)
        ]
        chunks = [chunk for part in _all_results(futures) for chunk in part]
        return vector_of_chunks(key, values.size, stride, bits, chunks)

    def decrypt_products(
        self, key: BankLatticeKey, ciphertexts: Sequence[bytes], *, columns: int, stride: int
    ) -> Words:
        """Decrypt as `inner_product.decrypt_products` does: arithmetic on arrays, so it is done here."""
        return decrypt_products(key, ciphertexts, columns=columns, stride=stride)

    def encrypt_partials(self, public_key: LatticePublicKey, words: Words) -> list[bytes]:
        """Encrypt as `addition.encrypt_partials` does, in all workers."""
        key, blocks = public_key.to_bytes(), -(-words.size // addition.BLOCK)
        edges = [addition.BLOCK * (blocks * index // len(self._workers)) for index in range(len(self._workers))]
        pieces = np.split(words, edges[1:])
        futures = [
            worker.submit(tasks.encrypt_partials, key, piece)
            for worker, piece in zip(self._workers, pieces, strict=True)
            if piece.size
        ]
        return [ciphertext for part in _all_results(futures) for ciphertext in part]

    def add(self, contributions: Sequence[Sequence[bytes]]) -> list[bytes]:
        """Add as `addition.add` does: arithmetic on arrays, so it is done here."""
        return addition.add(contributions)

    def decrypt_sums(self, key: BankLatticeKey, ciphertexts: Sequence[bytes], *, count: int) -> Words:
        """Decrypt as `addition.decrypt_sums` does, in all workers."""
        addition.check_count(ciphertexts, count)
        private, share = key.to_private_bytes(), -(-len(ciphertexts) // len(self._workers))
        futures = [
            worker.submit(tasks.decrypt_blocks, private, list(ciphertexts[index * share : (index + 1) * share]))
            for index, worker in enumerate(self._workers)
            if index * share < len(ciphertexts)
        ]
        words: Words = np.concatenate([*_all_results(futures), np.zeros(0, dtype=np.uint64)])[:count]
        return words


def _all_results(futures: "Sequence[Future[_Result]]") -> list[_Result]:
    """Wait for all, so that no worker is still busy with a call that has failed; then raise the first error."""
    errors: list[BaseException] = []
    results: list[_Result] = []
    for future in futures:
        try:
            results.append(future.result())
        except Exception as error:  # noqa: BLE001 - kept and raised below
            errors.append(error)
    if errors:
        raise errors[0]
    return results
