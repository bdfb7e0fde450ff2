"""The checked Paillier layer: what it computes, and the attacks that work without its checks."""

import copy
import pickle

import gmpy2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phe import paillier as phe

from crypto.errors import (
    InvalidCiphertext,
    MalformedMessage,
    PeerError,
    ProtocolStateError,
    UntrustedKey,
    YurongError,
)
from crypto.paillier import BankPaillierKey, Obfuscator, PaillierPublicKey
from simulations.adversaries import paillier as adversary

KEY = BankPaillierKey.generate()
PUBLIC = KEY.public
N = PUBLIC.modulus
PLAINTEXTS = st.integers(0, N - 1) | st.integers(0, 3) | st.integers(N - 3, N - 1)


def obfuscator() -> Obfuscator:
    return Obfuscator(PUBLIC, KEY.fresh_factors(1)[0])


def encrypt(plaintext: int) -> int:
    return PUBLIC.encrypt(plaintext, obfuscator())


@settings(deadline=None, max_examples=15)
@given(st.lists(PLAINTEXTS, min_size=1, max_size=3), PLAINTEXTS)
def test_sums_of_ciphertexts_are_ciphertexts_of_sums(plaintexts: list[int], plain: int) -> None:
    total = PUBLIC.add(encrypt(plaintext) for plaintext in plaintexts)
    assert KEY.decrypt(total) == sum(plaintexts) % N
    assert KEY.decrypt(PUBLIC.add_plaintext(total, plain)) == (sum(plaintexts) + plain) % N


@settings(deadline=None, max_examples=15)
@given(st.integers(0, (1 << 256) - 1), st.integers(1, 1 << 256))
def test_a_small_plaintext_is_found_by_half_the_work_and_a_larger_one_refused(plaintext: int, bound: int) -> None:
    ciphertext = encrypt(plaintext)
    if plaintext < bound:
        assert KEY.decrypt_below(ciphertext, bound) == plaintext == KEY.decrypt(ciphertext)
    else:
        with pytest.raises(InvalidCiphertext):
            KEY.decrypt_below(ciphertext, bound)


@settings(deadline=None, max_examples=15)
@given(st.integers(1 << 256, N - 1) | st.integers(N - 3, N - 1))
def test_a_plaintext_that_is_not_small_is_refused_where_a_small_one_is_expected(plaintext: int) -> None:
    with pytest.raises(InvalidCiphertext):
        KEY.decrypt_below(encrypt(plaintext), 1 << 256)


@pytest.mark.parametrize("ciphertext", [0, N, N * N, -1, 2 * N], ids=["0", "n", "n squared", "-1", "2 n"])
def test_no_half_of_the_key_touches_what_is_no_ciphertext(ciphertext: int) -> None:
    with pytest.raises(InvalidCiphertext):
        KEY.decrypt_below(ciphertext, 1 << 64)


def test_one_bad_number_among_good_ciphertexts_spoils_their_sum() -> None:
    good, factor = encrypt(1), gmpy2.gcd(int.from_bytes(KEY.to_private_bytes()[:192], "big"), N)
    assert 1 < factor < N
    for bad in (0, N, N * N, N * N + 1, int(factor), -5):
        for numbers in ([bad, good], [good, bad], [good, bad, good]):
            with pytest.raises(InvalidCiphertext):
                PUBLIC.add(numbers)


@settings(deadline=None, max_examples=50)
@given(st.integers(-(1 << 6200), 1 << 6200) | st.sampled_from([0, 1, N, N * N, N * N - 1, N * N + 1, -1, 2 * N]))
def test_any_number_is_decrypted_or_refused_with_our_error(ciphertext: int) -> None:
    try:
        assert 0 <= KEY.decrypt(ciphertext) < N
    except InvalidCiphertext:
        return
    assert 0 < ciphertext < N * N


@settings(deadline=None, max_examples=50)
@given(st.binary(max_size=2000) | st.binary(min_size=768, max_size=768))
def test_any_bytes_are_a_ciphertext_or_refused_with_our_error(data: bytes) -> None:
    try:
        ciphertext = PUBLIC.decode_ciphertext(data)
    except YurongError:
        return
    assert PUBLIC.encode_ciphertext(ciphertext) == data


def test_a_ciphertext_has_one_length() -> None:
    data = PUBLIC.encode_ciphertext(encrypt(5))
    assert len(data) == PUBLIC.ciphertext_bytes == 768
    assert KEY.decrypt(PUBLIC.decode_ciphertext(data)) == 5
    for wrong in (data[1:], b"\0" + data, b""):
        with pytest.raises(MalformedMessage):
            PUBLIC.decode_ciphertext(wrong)


def test_factors_of_both_kinds_are_nth_residues_and_no_two_are_alike() -> None:
    factors = KEY.fresh_factors(3) + PUBLIC.fresh_factors(2)
    assert len(set(factors)) == 5
    assert [KEY.decrypt(factor) for factor in factors] == [0] * 5


@pytest.mark.parametrize("question", [0, N * N, N, 7 * N], ids=["0", "n^2", "n", "7n"])
def test_one_decryption_gives_the_key_away_under_phe_and_is_refused_by_ours(question: int) -> None:
    unchecked = phe.PaillierPrivateKey(phe.PaillierPublicKey(N), int(KEY._p), int(KEY._q))
    assert adversary.factor_from_one_decryption(unchecked.raw_decrypt, N, question) == (KEY._p, KEY._q)

    with pytest.raises(InvalidCiphertext):
        adversary.factor_from_one_decryption(KEY.decrypt, N, question)


def test_multiples_of_a_factor_are_answered_by_phe_and_refused_by_ours() -> None:
    unchecked = phe.PaillierPrivateKey(phe.PaillierPublicKey(N), int(KEY._p), int(KEY._q))
    for multiple in (int(KEY._p), int(KEY._p) * 12345):
        assert adversary.factor_from_known_multiple(unchecked.raw_decrypt, N, multiple) == KEY._q
        with pytest.raises(InvalidCiphertext):
            KEY.decrypt(multiple)


def test_bad_summands_are_refused() -> None:
    good = encrypt(1)
    for bad in (0, -good, N * N, N * N + good, N, int(KEY._q) * 3):
        with pytest.raises(InvalidCiphertext):
            PUBLIC.add([good, bad])
        with pytest.raises(InvalidCiphertext):
            PUBLIC.encode_ciphertext(bad)
    with pytest.raises(ProtocolStateError):
        PUBLIC.add([])


def test_an_exponent_bomb_stalls_phe_and_has_no_place_in_our_format() -> None:
    unchecked = phe.PaillierPrivateKey(phe.PaillierPublicKey(N), int(KEY._p), int(KEY._q))
    ciphertext = encrypt(3)
    honest, bomb = (adversary.exponent_bomb(ciphertext, exponent) for exponent in (-32, 20_000_000))
    # A message that is six bytes longer costs the reader several times as much; at 10^10 it costs all memory.
    assert len(bomb) < len(honest) + 8
    assert adversary.seconds_to_decrypt_as_phe(unchecked, bomb) > 3 * min(
        adversary.seconds_to_decrypt_as_phe(unchecked, honest) for _ in range(3)
    )

    with pytest.raises(MalformedMessage):
        PUBLIC.decode_ciphertext(bomb)


def test_an_obfuscator_used_twice_gives_the_difference_away_and_ours_serves_once() -> None:
    factor = KEY.fresh_factors(1)[0]
    first, second = (PUBLIC.encrypt(plaintext, Obfuscator(PUBLIC, factor)) for plaintext in (600, 642))
    assert adversary.difference_under_one_obfuscator(N, first, second) == 42

    once = Obfuscator(PUBLIC, factor)
    PUBLIC.encrypt(600, once)
    with pytest.raises(ProtocolStateError):
        PUBLIC.encrypt(642, once)


def test_an_obfuscator_of_one_hides_nothing_and_is_refused() -> None:
    bare = phe.PaillierPublicKey(N).encrypt(1234, r_value=1).ciphertext(be_secure=False)
    assert (bare - 1) // N == 1234

    with pytest.raises(ProtocolStateError):
        Obfuscator(PUBLIC, 1)
    for wrong in (0, N, N * N):
        with pytest.raises(InvalidCiphertext):
            Obfuscator(PUBLIC, wrong)


def test_an_obfuscator_serves_its_own_key_only_and_is_not_spent_by_a_refusal() -> None:
    other = BankPaillierKey.generate()
    mine = obfuscator()
    with pytest.raises(ProtocolStateError):
        other.public.encrypt(1, mine)
    with pytest.raises(ProtocolStateError):
        PUBLIC.encrypt(N, mine)
    assert KEY.decrypt(PUBLIC.encrypt(1, mine)) == 1


def test_a_prime_modulus_lets_anybody_decrypt_under_phe_and_is_refused_by_ours() -> None:
    prime = int(gmpy2.next_prime(1 << 3071))
    ciphertext = phe.PaillierPublicKey(prime).encrypt(777).ciphertext()
    assert adversary.decrypt_under_prime_modulus(prime, ciphertext) == 777

    with pytest.raises(UntrustedKey):
        PaillierPublicKey(prime)


@pytest.mark.parametrize(
    "modulus",
    [
        15,
        -N,
        N >> 1,
        (1 << 3071) + 2,
        3 * int(gmpy2.next_prime(1 << 3071)),
        int(gmpy2.next_prime(1 << 1536)) ** 2,
        N << 1025,
        0,
    ],
    ids=["15", "negative", "short", "even", "small factor", "square", "long", "0"],
)
def test_an_improper_modulus_is_refused(modulus: int) -> None:
    with pytest.raises(UntrustedKey):
        PaillierPublicKey(modulus)


def test_a_plaintext_out_of_range_is_refused() -> None:
    for plaintext in (-1, N, N + 1):
        with pytest.raises(ProtocolStateError):
            PUBLIC.encrypt(plaintext, obfuscator())
        with pytest.raises(ProtocolStateError):
            PUBLIC.add_plaintext(encrypt(0), plaintext)


def test_a_key_comes_back_from_its_private_bytes_and_from_nothing_else() -> None:
    data = KEY.to_private_bytes()
    again = BankPaillierKey.from_private_bytes(data)
    assert again.public == PUBLIC
    assert hash(again.public) == hash(PUBLIC)
    assert again.decrypt(encrypt(9)) == 9
    half = len(data) // 2
    for wrong in (b"", data[:-1], data[half:] + data[:half], data[:half] * 2, data[:-1] + bytes([data[-1] ^ 2])):
        with pytest.raises(PeerError):
            BankPaillierKey.from_private_bytes(wrong)


@pytest.mark.parametrize("bits", [15, 2048, 3073, 8192])
def test_a_key_of_another_size_is_not_made(bits: int) -> None:
    with pytest.raises(ProtocolStateError):
        BankPaillierKey.generate(bits)


def test_a_private_key_is_neither_shown_nor_pickled_nor_compared() -> None:
    for secret in (KEY, obfuscator()):
        assert repr(secret).endswith(": secret>")
        for take in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError):
                take(secret)
    assert BankPaillierKey.from_private_bytes(KEY.to_private_bytes()) != KEY
    assert repr(PUBLIC) == f"<PaillierPublicKey {PUBLIC.fingerprint().hex()[:16]}>"
    assert PUBLIC != "something else"
