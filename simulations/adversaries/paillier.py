"""What is known to work against Paillier as libraries offer it, with phe as the weakened side."""

import json
import time
from collections.abc import Callable

import gmpy2
from phe import paillier as phe


def factor_from_one_decryption(decrypt: Callable[[int], int], modulus: int, question: int) -> tuple[int, int] | None:
    """Return the two primes of `modulus`, from the decryption of 0, of n^2 or of any multiple of n.

    Decryption by the Chinese remainder theorem takes such a number to m = q^-1 mod p and p^-1 mod q, so
    m (p + q) = 1 mod n: the sum of the primes, and with their product the primes.
    """
    answer = decrypt(question)
    if gmpy2.gcd(answer, modulus) != 1:
        return None
    total = int(gmpy2.invert(answer, modulus))
    root, rest = gmpy2.isqrt_rem(total * total - 4 * modulus) if total * total > 4 * modulus else (0, 1)
    return None if rest else (int(total - root) // 2, int(total + root) // 2)


def factor_from_known_multiple(decrypt: Callable[[int], int], modulus: int, multiple_of_p: int) -> int | None:
    """Return q from the decryption of a multiple of p alone: it is q^-1 mod p, so m q - 1 shares p with n.

    Who has such a multiple has p already; the point is that the layer below answers at all.
    """
    q = modulus // int(gmpy2.gcd(multiple_of_p, modulus))
    return q if gmpy2.gcd(decrypt(multiple_of_p) * q - 1, modulus) > 1 else None


def difference_under_one_obfuscator(modulus: int, first: int, second: int) -> int:
    """Return second - first of the plaintexts mod n, without any key, if both ciphertexts share r^n."""
    square = modulus * modulus
    quotient = int(second * gmpy2.invert(first, square) % square)
    return (quotient - 1) // modulus


def decrypt_under_prime_modulus(modulus: int, ciphertext: int) -> int:
    """Return the plaintext under a modulus that is a prime: anybody knows the order of its group."""
    power = int(gmpy2.powmod(ciphertext, modulus - 1, modulus * modulus))
    return (power - 1) // modulus * int(gmpy2.invert(modulus - 1, modulus)) % modulus


def exponent_bomb(ciphertext: int, exponent: int) -> bytes:
    """Return a JSON message of the form that phe's users exchange: a number and its exponent, in the clear."""
    return json.dumps({"ciphertext": str(ciphertext), "exponent": exponent}).encode()


def seconds_to_decrypt_as_phe(key: phe.PaillierPrivateKey, message: bytes) -> float:
    """Return the processor time that a bank takes for one message if it trusts the exponent."""
    fields = json.loads(message)
    received = phe.EncryptedNumber(key.public_key, int(fields["ciphertext"]), fields["exponent"])
    start = time.process_time()
    key.decrypt(received)
    return time.process_time() - start
