import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import InvalidCiphertext, MalformedMessage
from crypto.lattice.ciphertext import Kind, frame, pack, packed_bytes, refuse_transparent, unframe, unpack, word_bytes

PRIMES = ((1 << 60) - 93, (1 << 52) - 47, 257, 251)


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=20))
def test_words_survive_packing(values: list[int]) -> None:
    words = np.array([[value % prime for value in values] for prime in PRIMES], dtype=np.uint64)
    data = pack(words, PRIMES)
    assert len(data) == packed_bytes(PRIMES, len(values))
    assert np.array_equal(unpack(data, PRIMES, len(values)), words)


def test_a_word_takes_whole_bytes() -> None:
    assert [word_bytes(prime) for prime in PRIMES] == [8, 7, 2, 1]


def test_a_word_of_its_prime_or_more_is_refused() -> None:
    with pytest.raises(InvalidCiphertext):
        unpack(b"\x01\x01", (257,), 1)
    assert unpack(b"\x00\x01", (257,), 1).tolist() == [[256]]


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=50))
def test_a_frame_gives_its_body_back(fingerprint: bytes, body: bytes) -> None:
    data = frame(Kind.SUM, fingerprint, body)
    assert unframe(Kind.SUM, fingerprint, data, body_bytes=len(body)) == body
    with pytest.raises(MalformedMessage):
        unframe(Kind.ANSWER, fingerprint, data, body_bytes=len(body))
    with pytest.raises(MalformedMessage):
        unframe(Kind.SUM, fingerprint, data, body_bytes=len(body) + 1)
    with pytest.raises(InvalidCiphertext):
        unframe(Kind.SUM, fingerprint[:31] + bytes([fingerprint[31] ^ 1]), data, body_bytes=len(body))


def test_a_polynomial_that_is_zero_modulo_one_prime_is_transparent() -> None:
    words = np.ones((2, 8), dtype=np.uint64)
    refuse_transparent(words)
    words[1] = 0
    with pytest.raises(InvalidCiphertext):
        refuse_transparent(words)
