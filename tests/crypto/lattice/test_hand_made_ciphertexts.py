"""Ciphertexts made by hand: each ends in one error of ours, and honest ones are still answered."""

import dataclasses
import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.errors import InvalidCiphertext, MalformedMessage, PeerError
from crypto.lattice import addition
from crypto.lattice.inner_product import (
    EncodedMatrix,
    EncryptedVector,
    MaskedProducts,
    decrypt_products,
    encrypt_vector,
)
from crypto.lattice.keys import BankLatticeKey

HEAD = 40
CHECKSUM = 16
SEED = 64


def resealed(data: bytes) -> bytes:
    """A forger knows the format: the checksum is put right."""
    return data[:-CHECKSUM] + hashlib.blake2b(data[:-CHECKSUM], digest_size=CHECKSUM).digest()


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.fixture(scope="module")
def matrix() -> EncodedMatrix:
    return EncodedMatrix.encode(np.ones((100, 3), dtype=np.uint8), stride=128)


@pytest.fixture(scope="module")
def vector(bank: BankLatticeKey) -> EncryptedVector:
    return encrypt_vector(bank, np.arange(100), stride=128)


@pytest.fixture(scope="module")
def answer(bank: BankLatticeKey, matrix: EncodedMatrix, vector: EncryptedVector) -> MaskedProducts:
    return matrix.multiply(bank.public, vector)


FORGERIES: dict[str, tuple[Callable[[bytes], bytes], type[PeerError]]] = {
    "empty": (lambda _: b"", MalformedMessage),
    "truncated by a byte": (lambda data: data[:-1], MalformedMessage),
    "cut in half": (lambda data: data[: len(data) // 2], MalformedMessage),
    "one byte too long": (lambda data: data + b"\0", MalformedMessage),
    "of another kind": (lambda data: resealed(b"YR-sum-1" + data[8:]), MalformedMessage),
    "of an unknown kind": (lambda data: resealed(b"YR-vec-9" + data[8:]), MalformedMessage),
    "a bit flipped in the body": (lambda data: flipped(data, 8 * 5000), MalformedMessage),
    "a bit flipped in the checksum": (lambda data: flipped(data, 8 * len(data) - 1), MalformedMessage),
    "another key's": (lambda data: resealed(data[:8] + bytes(32) + data[HEAD:]), InvalidCiphertext),
    "words out of range": (
        lambda data: resealed(data[: HEAD + SEED] + b"\xff" * (len(data) - HEAD - SEED - CHECKSUM) + bytes(CHECKSUM)),
        InvalidCiphertext,
    ),
    "transparent": (
        lambda data: resealed(data[: HEAD + SEED] + bytes(len(data) - HEAD - SEED)),
        InvalidCiphertext,
    ),
    "all zero": (lambda data: bytes(len(data)), MalformedMessage),
    "a file of SEAL's own": (lambda data: b"\x5e\xa1\x10\x04\x03\x02" + data[6:], MalformedMessage),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_chunk_is_one_error(
    name: str, bank: BankLatticeKey, matrix: EncodedMatrix, vector: EncryptedVector
) -> None:
    forge, error = FORGERIES[name]
    forged = dataclasses.replace(vector, chunks=(forge(vector.chunks[0]),))
    with pytest.raises(error):
        matrix.multiply(bank.public, forged)


@pytest.mark.parametrize("name", [name for name in FORGERIES if name != "transparent"])
def test_a_forged_answer_is_one_error(name: str, bank: BankLatticeKey, answer: MaskedProducts) -> None:
    forge, error = FORGERIES[name]
    with pytest.raises(error):
        decrypt_products(bank, [forge(answer.ciphertexts[0])], columns=3, stride=128)


def test_an_answer_that_hides_nothing_is_refused(bank: BankLatticeKey, answer: MaskedProducts) -> None:
    data = answer.ciphertexts[0]
    start = HEAD + 2 + 3 * 8
    with pytest.raises(InvalidCiphertext, match="transparent"):
        decrypt_products(bank, [resealed(data[:start] + bytes(len(data) - start))], columns=3, stride=128)


def test_an_answer_with_a_lying_number_of_columns_is_refused(bank: BankLatticeKey, answer: MaskedProducts) -> None:
    lying = resealed(answer.ciphertexts[0][:HEAD] + b"\x04\x00" + answer.ciphertexts[0][HEAD + 2 :])
    with pytest.raises(MalformedMessage):
        decrypt_products(bank, [lying], columns=3, stride=128)
    for columns in (2, 4, 65, 1000):
        with pytest.raises(MalformedMessage):
            decrypt_products(bank, answer.ciphertexts, columns=columns, stride=128)


@pytest.mark.parametrize(
    "change",
    [
        {"rows": 101},
        {"rows": 0},
        {"rows": 10**12},
        {"stride": 256},
        {"stride": 0},
        {"chunks": ()},
        {"magnitude_bits": -1},
        {"magnitude_bits": 10**9},
    ],
    ids=str,
)
def test_a_vector_whose_description_lies_is_refused(
    change: dict[str, Any], bank: BankLatticeKey, matrix: EncodedMatrix, vector: EncryptedVector
) -> None:
    with pytest.raises(MalformedMessage):
        matrix.multiply(bank.public, dataclasses.replace(vector, **change))


def test_too_many_chunks_are_refused(bank: BankLatticeKey, matrix: EncodedMatrix, vector: EncryptedVector) -> None:
    with pytest.raises(MalformedMessage):
        matrix.multiply(bank.public, dataclasses.replace(vector, chunks=vector.chunks * 2))


def test_a_vector_under_another_key_is_refused(
    bank: BankLatticeKey, other_bank: BankLatticeKey, matrix: EncodedMatrix, vector: EncryptedVector
) -> None:
    with pytest.raises(InvalidCiphertext):
        matrix.multiply(other_bank.public, vector)
    relabelled = dataclasses.replace(vector, key_fingerprint=other_bank.public.fingerprint())
    with pytest.raises(InvalidCiphertext):
        matrix.multiply(other_bank.public, relabelled)
    assert len(matrix.multiply(bank.public, vector).ciphertexts) == 1


def test_a_key_for_addition_does_not_multiply(
    scoring_bank: BankLatticeKey, matrix: EncodedMatrix, vector: EncryptedVector
) -> None:
    relabelled = dataclasses.replace(vector, key_fingerprint=scoring_bank.public.fingerprint())
    with pytest.raises(MalformedMessage):
        matrix.multiply(scoring_bank.public, relabelled)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_only_our_errors_escape_from_changed_ciphertexts(
    data: st.DataObject, bank: BankLatticeKey, matrix: EncodedMatrix, vector: EncryptedVector
) -> None:
    chunk = bytearray(vector.chunks[0])
    for _ in range(data.draw(st.integers(1, 4))):
        chunk[data.draw(st.integers(0, len(chunk) - 1))] = data.draw(st.integers(0, 255))
    changed = resealed(bytes(chunk)) if data.draw(st.booleans()) else bytes(chunk)
    try:
        matrix.multiply(bank.public, dataclasses.replace(vector, chunks=(changed,)))
    except PeerError:
        return
    assert resealed(changed) == changed  # what is accepted has the form of an honest one


def test_forged_sums_are_one_error(scoring_bank: BankLatticeKey) -> None:
    (honest,) = addition.encrypt_partials(scoring_bank.public, np.arange(10, dtype=np.uint64))
    no_terms = resealed(honest[:HEAD] + b"\x00\x00" + honest[HEAD + 2 :])
    many_terms = resealed(honest[:HEAD] + b"\xff\xff" + honest[HEAD + 2 :])
    half = (len(honest) - HEAD - 2 - CHECKSUM) // 2
    transparent = resealed(honest[: -half - CHECKSUM] + bytes(half + CHECKSUM))
    out_of_range = resealed(honest[:100] + b"\xff" * 7 + honest[107:])
    out_of_range_everywhere = resealed(honest[: HEAD + 2] + b"\xff" * 2 * half + bytes(CHECKSUM))
    other_key = resealed(honest[:8] + bytes(32) + honest[HEAD:])
    for wrong in (
        no_terms,
        many_terms,
        transparent,
        out_of_range_everywhere,
        out_of_range,
        honest[:-1],
        b"",
        other_key,
    ):
        with pytest.raises(PeerError):
            addition.add([[honest], [wrong]])
        with pytest.raises(PeerError):
            addition.decrypt_sums(scoring_bank, [wrong], count=10)
