"""Sums over parties of words mod t = 2^33, thousands to a ciphertext: the scores of a whole register.

    each department j    encrypt_partials(public key, words_j)     one ciphertext for 4,096 enterprises
    bureau               add([ciphertexts_1, ciphertexts_2, ...])  arithmetic on arrays: no key, no SEAL
    bank                 decrypt_sums(key, sums, count=...)        sum of words_j mod t, exactly

| who                 | learns                                                                    |
|---------------------|---------------------------------------------------------------------------|
| bureau              | sizes; which words were never encrypted at all it sees from the count     |
| bank                | the sums; with the bureau's help each department's words: they are masked |
| a department        | nothing                                                                   |

The words have to be masked with zero-sum masks (`crypto.masks`, reduced mod t) before they come here: the key holder is
always able to open a single department's ciphertext, and then finds a uniform word.
All functions on many blocks have a generator beside them that holds one block at a time.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import tenseal.sealapi as seal

from crypto.errors import MalformedMessage, ProtectionUnavailable, ProtocolStateError
from crypto.lattice.ciphertext import (
    FINGERPRINT_BYTES,
    Kind,
    frame,
    pack,
    packed_bytes,
    refuse_transparent,
    unframe,
    unpack,
)
from crypto.lattice.keys import BankLatticeKey, LatticePublicKey
from crypto.lattice.noise import maximum_terms
from crypto.lattice.parameters import ADDITION
from crypto.lattice.seal import Words, ring

BLOCK = ADDITION.poly_modulus_degree
"""Words a ciphertext."""

_TERM_BYTES = 2


def encrypt_partials(public_key: LatticePublicKey, words: Words) -> list[bytes]:
    """Encrypt words (n,) mod t: ceil(n / 4096) ciphertexts."""
    blocks = (words[start : start + BLOCK] for start in range(0, words.size, BLOCK))
    return list(encrypt_blocks(public_key, blocks))


def encrypt_blocks(public_key: LatticePublicKey, blocks: Iterable[Words]) -> Iterator[bytes]:
    """Encrypt blocks of words (up to 4096,) mod t, one after the other.

    Raises `ProtocolStateError` for a block that is too long or a word of t or more.
    """
    here, fingerprint = ring(ADDITION), public_key.fingerprint()
    if public_key.parameters != ADDITION:
        raise ProtocolStateError("the key is not one for addition")
    ciphertext = seal.Ciphertext()
    for block in blocks:
        if not 0 < block.size <= BLOCK or block.dtype != np.uint64:
            raise ProtocolStateError(f"a block has 1 to {BLOCK} unsigned words")
        if np.any(block >= np.uint64(ADDITION.plain_modulus)):
            raise ProtocolStateError("a word is not reduced mod t")
        public_key.encryptor.encrypt(here.plaintext(block), ciphertext)
        yield _write(fingerprint, 1, here.words(ciphertext))


def add(contributions: Sequence[Sequence[bytes]]) -> list[bytes]:
    """Add the parties' ciphertexts, block by block. All have the same number of blocks and the same key."""
    if not contributions or len({len(contribution) for contribution in contributions}) != 1:
        raise MalformedMessage("the parties' contributions have different lengths, or there are none")
    return [add_block(block) for block in zip(*contributions, strict=True)]


def add_block(ciphertexts: Iterable[bytes]) -> bytes:
    """Add one block's ciphertexts of all parties.

    Raises `MalformedMessage` or `InvalidCiphertext` if one is no ciphertext or not under the key of the
    first, `ProtectionUnavailable` if so many terms could fail to decrypt.
    """
    primes, total, terms, fingerprint = ring(ADDITION).top.primes, None, 0, b""
    for data in ciphertexts:
        fingerprint = fingerprint or claimed_fingerprint(data)
        words, more = _read(fingerprint, data)
        terms += more
        total = words if total is None else (total + words) % np.array(primes, dtype=np.uint64)[:, np.newaxis]
    if total is None:
        raise MalformedMessage("there is nothing to add")
    if terms > maximum_terms(ADDITION):
        raise ProtectionUnavailable(f"{terms} terms leave no room for noise")
    return _write(fingerprint, terms, total)


def decrypt_sums(key: BankLatticeKey, ciphertexts: Sequence[bytes], *, count: int) -> Words:
    """Decrypt the sums of `count` words: (count,) mod t."""
    check_count(ciphertexts, count)
    decrypted = list(decrypt_blocks(key, ciphertexts))
    words: Words = np.concatenate([*decrypted, np.zeros(0, dtype=np.uint64)])[:count]
    return words


def check_count(ciphertexts: Sequence[bytes], count: int) -> None:
    """Raise `MalformedMessage` unless `count` words fill just these ciphertexts."""
    if len(ciphertexts) != -(-count // BLOCK):
        raise MalformedMessage("there are not the ciphertexts that the count asks for")


def decrypt_blocks(key: BankLatticeKey, ciphertexts: Iterable[bytes]) -> Iterator[Words]:
    """Decrypt block by block: words (4096,) mod t."""
    here, plaintext = ring(ADDITION), seal.Plaintext()
    if key.parameters != ADDITION:
        raise ProtocolStateError("the key is not one for addition")
    for data in ciphertexts:
        words, _ = _read(key.public.fingerprint(), data)
        key.decryptor.decrypt(here.ciphertext(here.top, words), plaintext)
        yield here.coefficients(plaintext)


def claimed_fingerprint(data: bytes) -> bytes:
    """Return the fingerprint of the key that a ciphertext says it is under."""
    start = len(Kind.SUM.value)
    return data[start : start + FINGERPRINT_BYTES]


def _write(fingerprint: bytes, terms: int, words: Words) -> bytes:
    primes = ring(ADDITION).top.primes
    body = terms.to_bytes(_TERM_BYTES, "little") + b"".join(pack(polynomial, primes) for polynomial in words)
    return frame(Kind.SUM, fingerprint, body)


def _read(fingerprint: bytes, data: bytes) -> tuple[Words, int]:
    """Read words (2, primes, N) and the number of terms strictly."""
    primes = ring(ADDITION).top.primes
    half = packed_bytes(primes, BLOCK)
    body = unframe(Kind.SUM, fingerprint, data, body_bytes=_TERM_BYTES + 2 * half)
    terms = int.from_bytes(body[:_TERM_BYTES], "little")
    if not 1 <= terms <= maximum_terms(ADDITION):
        raise MalformedMessage("the ciphertext's number of terms makes no sense")
    first, second = (unpack(part, primes, BLOCK) for part in (body[_TERM_BYTES:-half], body[-half:]))
    refuse_transparent(second)
    return np.stack([first, second]), terms
