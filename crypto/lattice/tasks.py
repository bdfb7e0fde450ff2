"""What a worker process does. It keeps matrices by name and the last few keys, and knows nobody else's business."""

import multiprocessing
import os
import signal
import threading
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crypto.errors import ProtocolStateError
from crypto.lattice import addition, inner_product
from crypto.lattice.inner_product import EncodedMatrix, EncryptedVector
from crypto.lattice.keys import BankLatticeKey, LatticePublicKey
from crypto.lattice.seal import Words

_MATRICES: Final[dict[str, EncodedMatrix]] = {}

_public_key = lru_cache(maxsize=64)(LatticePublicKey.from_bytes)
_private_key = lru_cache(maxsize=4)(BankLatticeKey.from_private_bytes)


def start() -> None:
    """Begin a worker process: an interrupt from the terminal is its owner's business, and it dies with its owner."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_owner, daemon=True).start()


def _end_with_owner() -> None:
    owner = multiprocessing.parent_process()
    if owner is not None:
        owner.join()
        os._exit(1)


def encode_matrix(name: str, columns: NDArray[np.integer[Any]], stride: int) -> None:
    """Keep columns under a name."""
    _MATRICES[name] = EncodedMatrix.encode(columns, stride=stride)


def forget_matrix(name: str) -> None:
    """Give up the columns under a name."""
    _MATRICES.pop(name, None)


def multiply(name: str, public_key: bytes, vector: EncryptedVector) -> tuple[tuple[bytes, ...], Words]:
    """Return the answers and the masks for this worker's columns."""
    if name not in _MATRICES:
        raise ProtocolStateError("no columns are kept under this name")
    products = _MATRICES[name].multiply(_public_key(public_key), vector)
    return products.ciphertexts, products.mask


def encrypt_chunks(private_key: bytes, values: NDArray[np.int64], stride: int) -> list[bytes]:
    """Encrypt whole chunks."""
    return inner_product.encrypt_chunks(_private_key(private_key), values, stride)


def encrypt_partials(public_key: bytes, words: Words) -> list[bytes]:
    """Encrypt whole blocks."""
    return addition.encrypt_partials(_public_key(public_key), words)


def decrypt_blocks(private_key: bytes, ciphertexts: list[bytes]) -> Words:
    """Decrypt whole blocks."""
    words: Words = np.concatenate(list(addition.decrypt_blocks(_private_key(private_key), ciphertexts)))
    return words
