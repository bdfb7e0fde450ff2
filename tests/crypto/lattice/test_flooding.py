import numpy as np

from crypto.lattice.ciphertext import unpack
from crypto.lattice.flooding import protect, uniform_words
from crypto.lattice.inner_product import read_products
from crypto.lattice.keys import BankLatticeKey
from crypto.lattice.noise import FLOOD_BITS
from crypto.lattice.parameters import INNER_PRODUCT
from crypto.lattice.seal import ring


def test_an_answer_of_zero_decrypts_to_its_pads(bank: BankLatticeKey) -> None:
    wanted = np.arange(128) * 64 + 63
    data, pads = protect(None, bank.public, wanted)
    words, _ = read_products(bank, [data], columns=128, stride=64)
    assert np.array_equal(words, pads)


def test_the_flood_arrives_with_its_width(bank: BankLatticeKey) -> None:
    """512 floods, uniform in [-256, 256) after the switch: the mean is within six deviations, 6 * 148 / sqrt(512)."""
    level, wanted = ring(INNER_PRODUCT), np.arange(128) * 64 + 63
    half = 2**FLOOD_BITS / (level.top.modulus // level.bottom.modulus)
    noises = np.concatenate(
        [read_products(bank, [protect(None, bank.public, wanted)[0]], columns=128, stride=64)[1] for _ in range(4)]
    )
    assert abs(noises.mean()) < 6 * half / np.sqrt(3 * 512)
    assert 0.9 < noises.std() / (half / np.sqrt(3)) < 1.15
    assert np.abs(noises).max() < half + 480


def test_the_words_of_an_answer_are_uniform(bank: BankLatticeKey) -> None:
    """Both polynomials in 64 cells of equal width: chi-squared(63) above 133 has a probability below 10^-6."""
    prime = ring(INNER_PRODUCT).bottom.primes[0]
    wanted = np.arange(128) * 64 + 63
    answers = [protect(None, bank.public, wanted)[0][42:-16] for _ in range(5)]
    found = [unpack(answer, [prime], 128 + 8192)[0] for answer in answers]
    for words in (np.concatenate([f[:128] for f in found]), np.concatenate([f[128:] for f in found])):
        counts = np.bincount((words >> np.uint64(54)).astype(int), minlength=64)
        expected = words.size / 64
        assert ((counts - expected) ** 2 / expected).sum() < 133


def test_uniform_words_stay_below_their_bits() -> None:
    words = uniform_words(10_000, 48)
    assert words.size == 10_000
    assert 2**47 < int(words.max()) < 2**48
