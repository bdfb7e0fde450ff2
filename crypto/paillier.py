"""Paillier's cryptosystem on integers, every value from outside checked before it is used.

    Enc(m) = (1 + n)^m * r^n  mod n^2,    0 <= m < n,    r uniform mod n        (Paillier, EUROCRYPT 1999)
    Enc(a) * Enc(b) = Enc(a + b mod n)

| who         | holds             | can                                              |
|-------------|-------------------|--------------------------------------------------|
| bank        | `BankPaillierKey` | decrypt                                          |
| department  | `PaillierPublicKey`| encrypt; it verified the key's owner beforehand  |
| bureau      | `PaillierPublicKey`| add; it learns nothing                           |

The mathematics is phe's raw layer. Its encodings are not used: they send a floating-point exponent in the
clear, which tells a number's magnitude and lets one message cost the reader gigabytes. phe checks nothing,
and a decryption of 0, or of any multiple of n or of a factor of n, gives the private key away; so
`check_ciphertext` stands before every use. The factor `r^n` comes as an `Obfuscator`, which is good for one
encryption (`crypto.obfuscators`). What a malicious department can do: encrypt a wrong number.
"""

import hashlib
import secrets
from collections.abc import Iterable
from typing import Final, Self

import gmpy2
from phe import paillier as phe

from crypto.errors import InvalidCiphertext, MalformedMessage, ProtocolStateError, UntrustedKey
from crypto.labels import Label, labelled
from crypto.secret import Secret

MINIMUM_BITS: Final = 3072
MAXIMUM_BITS: Final = 4096

_SMALL_BITS: Final = 256
_SMALL_PRIMES: Final = gmpy2.primorial(5000)


class PaillierPublicKey:
    """The modulus n, 3072 to 4096 bits. May encrypt and add, and cannot decrypt.

    `UntrustedKey` for a modulus that is too short or long, even, prime (anybody could decrypt), a power
    or has a small factor. That it is a product of two large primes only its owner knows.
    """

    __slots__ = ("_phe", "_square", "bits", "ciphertext_bytes", "modulus")

    modulus: int
    bits: int
    ciphertext_bytes: int

    def __init__(self, modulus: int) -> None:
        if not MINIMUM_BITS <= modulus.bit_length() <= MAXIMUM_BITS or modulus < 0:
            raise UntrustedKey("a Paillier modulus has 3072 to 4096 bits")
        if gmpy2.gcd(modulus, _SMALL_PRIMES) != 1:
            raise UntrustedKey("a Paillier modulus has a small factor")
        if gmpy2.is_prime(modulus) or gmpy2.is_power(modulus):
            raise UntrustedKey("a Paillier modulus is a prime or a power")
        self.modulus = modulus
        self.bits = modulus.bit_length()
        self.ciphertext_bytes = (2 * self.bits + 7) // 8
        self._square = gmpy2.mpz(modulus) ** 2
        self._phe = phe.PaillierPublicKey(modulus)

    def __repr__(self) -> str:
        return f"<PaillierPublicKey {self.fingerprint().hex()[:16]}>"

    def __eq__(self, other: object) -> bool:
        return self.modulus == other.modulus if isinstance(other, PaillierPublicKey) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.modulus)

    def fingerprint(self) -> bytes:
        """Return the SHA-256 (32 bytes) over the modulus."""
        modulus = self.modulus.to_bytes((self.bits + 7) // 8, "big")
        return hashlib.sha256(labelled(Label.PAILLIER_FINGERPRINT, modulus)).digest()

    def check_ciphertext(self, ciphertext: int) -> None:
        """Raise `InvalidCiphertext` unless 0 < c < n^2 and gcd(c, n) = 1."""
        if not 0 < ciphertext < self._square or gmpy2.gcd(ciphertext, self.modulus) != 1:
            raise InvalidCiphertext("a number is no Paillier ciphertext under this key")

    def encrypt(self, plaintext: int, obfuscator: "Obfuscator") -> int:
        """Return a ciphertext of `plaintext`, 0 <= plaintext < n. Spends `obfuscator`."""
        self._check_plaintext(plaintext)
        factor = obfuscator.spend(self)
        # r_value=1 asks phe for (1 + n)^m alone.
        return int(gmpy2.mpz(self._phe.raw_encrypt(plaintext, r_value=1)) * factor % self._square)

    def add(self, ciphertexts: Iterable[int]) -> int:
        """Return a ciphertext of the sum mod n. Each one is checked; `ProtocolStateError` for none at all.

        The sum is as fresh as its freshest summand: it is not obfuscated again.
        """
        product = None
        for ciphertext in ciphertexts:
            if not 0 < ciphertext < self._square:
                raise InvalidCiphertext("a number is no Paillier ciphertext under this key")
            product = gmpy2.mpz(ciphertext) if product is None else product * ciphertext % self._square
        if product is None:
            raise ProtocolStateError("a sum of no ciphertexts has no ciphertext")
        # A product is coprime to n if, and only if, all of its factors are: one check for all.
        self.check_ciphertext(int(product))
        return int(product)

    def add_plaintext(self, ciphertext: int, plaintext: int) -> int:
        """Return a ciphertext of the sum mod n with a number that need not be hidden, 0 <= plaintext < n."""
        self._check_plaintext(plaintext)
        return self.add([ciphertext, int(self._phe.raw_encrypt(plaintext, r_value=1))])

    def encode_ciphertext(self, ciphertext: int) -> bytes:
        """Return a checked ciphertext as `ciphertext_bytes` bytes, big-endian."""
        self.check_ciphertext(ciphertext)
        return ciphertext.to_bytes(self.ciphertext_bytes, "big")

    def decode_ciphertext(self, data: bytes) -> int:
        """Return the ciphertext in `data`: `MalformedMessage` for a wrong length, else as `check_ciphertext`."""
        if len(data) != self.ciphertext_bytes:
            raise MalformedMessage("a Paillier ciphertext has a wrong length")
        ciphertext = int.from_bytes(data, "big")
        self.check_ciphertext(ciphertext)
        return ciphertext

    def fresh_factors(self, count: int) -> list[int]:
        """Return `count` uniform n-th residues mod n^2 for `crypto.obfuscators`.

        About 30 ms each, without the interpreter's lock.
        """
        bases = [gmpy2.mpz(secrets.randbelow(self.modulus - 1) + 1) for _ in range(count)]
        return [int(factor) for factor in gmpy2.powmod_base_list(bases, self.modulus, self._square)]

    def _check_plaintext(self, plaintext: int) -> None:
        if not 0 <= plaintext < self.modulus:
            raise ProtocolStateError("a Paillier plaintext is an integer of at least 0 and below the modulus")


class Obfuscator(Secret):
    """One factor r^n mod n^2 for one encryption under one key.

    Two ciphertexts with the same factor give away the difference of their plaintexts to anybody.
    """

    __slots__ = ("_factor", "_key")

    def __init__(self, key: PaillierPublicKey, factor: int) -> None:
        # A factor of 1 would leave the plaintext readable without any key.
        if factor == 1:
            raise ProtocolStateError("an obfuscator of 1 hides nothing")
        key.check_ciphertext(factor)
        self._key = key
        self._factor: list[int] = [factor]

    def spend(self, key: PaillierPublicKey) -> int:
        """Return the factor and forget it; `ProtocolStateError` the second time or under another key."""
        if key != self._key:
            raise ProtocolStateError("an obfuscator belongs to another key")
        try:
            return self._factor.pop()  # atomic, so two threads cannot have the same one
        except IndexError:
            raise ProtocolStateError("an obfuscator was used before") from None


class BankPaillierKey(Secret):
    """A bank's key pair. The one type that decrypts."""

    __slots__ = ("_p", "_phe", "_q", "_to_plaintext", "public")

    public: PaillierPublicKey

    def __init__(self, p: int, q: int) -> None:
        self.public = PaillierPublicKey(p * q)
        self._p, self._q = gmpy2.mpz(p), gmpy2.mpz(q)
        self._phe = phe.PaillierPrivateKey(self.public._phe, p, q)  # noqa: SLF001 (one concept, two classes)
        # ((1 + n)^(p - 1) mod p^2 - 1) / p = (p - 1) q = -q mod p
        self._to_plaintext = gmpy2.invert(-self._q, self._p)

    @classmethod
    def generate(cls, bits: int = MINIMUM_BITS) -> Self:
        """Return a new key from the operating system's randomness, with a modulus of `bits` bits."""
        if not MINIMUM_BITS <= bits <= MAXIMUM_BITS or bits % 16 != 0:
            raise ProtocolStateError("a Paillier key has 3072 to 4096 bits, a multiple of 16")
        _, private = phe.generate_paillier_keypair(n_length=bits)
        return cls(private.p, private.q)

    @classmethod
    def from_private_bytes(cls, data: bytes) -> Self:
        """Return the key that `to_private_bytes` gave; `MalformedMessage` for anything else."""
        half, odd = divmod(len(data), 2)
        p, q = int.from_bytes(data[:half], "big"), int.from_bytes(data[half:], "big")
        sized = not odd and p.bit_length() == q.bit_length() == 8 * half and 16 * half <= MAXIMUM_BITS
        if not sized or not p < q or not (gmpy2.is_prime(p) and gmpy2.is_prime(q)):
            raise MalformedMessage("a private Paillier key is two primes of one length, the smaller first")
        try:
            return cls(p, q)
        except UntrustedKey as error:
            raise MalformedMessage("a private Paillier key has 3072 to 4096 bits") from error

    def to_private_bytes(self) -> bytes:
        """Return both primes, the smaller first, big-endian, each half of the bytes."""
        half = (self._p.bit_length() + 7) // 8
        return b"".join(int(prime).to_bytes(half, "big") for prime in sorted((self._p, self._q)))

    def decrypt(self, ciphertext: int) -> int:
        """Return the plaintext, 0 <= m < n; `InvalidCiphertext` before the key touches anything that is none."""
        self.public.check_ciphertext(ciphertext)
        return int(self._phe.raw_decrypt(ciphertext))

    def decrypt_below(self, ciphertext: int, bound: int) -> int:
        """Return a plaintext that is below `bound`, at most 2^256; `InvalidCiphertext` if it is not. Half the work.

        The plaintext is found mod p alone, which is all of it if it is below p. Who could make a larger one that
        passes, m mod p < 2^256, would hold a number as close as that to a multiple of p, which is enough to factor n
        (Coppersmith, EUROCRYPT 1996).
        """
        if not 0 < bound <= 1 << _SMALL_BITS:
            raise ProtocolStateError("a small plaintext has at most 256 bits")
        self.public.check_ciphertext(ciphertext)
        p_square = self._p**2
        power = gmpy2.powmod(ciphertext % p_square, self._p - 1, p_square)
        plaintext = int((power - 1) // self._p * self._to_plaintext % self._p)
        if plaintext >= bound:
            raise InvalidCiphertext("a plaintext is larger than it can be")
        return plaintext

    def fresh_factors(self, count: int) -> list[int]:
        """Return `count` uniform n-th residues mod n^2, as `PaillierPublicKey.fresh_factors`, four times as fast.

        The n-th residues mod p^2 are the p-th powers, and a^p mod p^2 depends on a mod p alone; so two
        half-sized powers joined by the Chinese remainder theorem have the same distribution.
        """
        p_square, q_square = self._p**2, self._q**2
        lift = p_square * gmpy2.invert(p_square, q_square)
        mod_p = self._powers(self._p, count)
        mod_q = self._powers(self._q, count)
        return [int((a + (b - a) * lift) % (p_square * q_square)) for a, b in zip(mod_p, mod_q, strict=True)]

    @staticmethod
    def _powers(prime: gmpy2.mpz, count: int) -> list[gmpy2.mpz]:
        bases = [gmpy2.mpz(secrets.randbelow(int(prime) - 1) + 1) for _ in range(count)]
        return list(gmpy2.powmod_base_list(bases, prime, prime**2))
