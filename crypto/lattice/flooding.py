"""What makes an answer safe to send to the key holder, who knows the secret and the noise of its own ciphertexts.

An unprotected product (c0, c1) tells it everything: its noise is the known noise times the other side's columns, and
c1 is its own polynomials times the same columns. Four things are done, in this order:

1. A fresh encryption of zero under the public key is added. With its (b u + e1, a u + e2), u and both e new, c1 looks
   uniform even to the holder of s (ring-LWE with a drawn by a hash), if nothing else tells of u. Hence 2.
2. To each wanted coefficient of c0 a flood r is added, uniform in [-2^112, 2^112), straight into the residues: the
   noise there, that of the circuit and that of 1, is at most 2^48 and vanishes in it (statistical distance 2^-64).
3. To each wanted coefficient (q / t) * m is added, m uniform mod t: what is decrypted is a one-time pad.
4. The modulus is switched down to the first prime, which shrinks the answer and can tell nothing new.

Only the wanted coefficients of c0 are sent. The others hold cross products of the columns with shifted values; they
would need pads and floods of their own, and without them the answer is half as long.

| who            | learns                                                                      |
|----------------|-----------------------------------------------------------------------------|
| the key holder | words mod t that are uniform and independent of all else; the stride        |
| the other side | nothing: it sees ciphertexts, and keeps the pads                            |

A malicious key holder may send ciphertexts whose noise is larger than the flood. Then a few bits more (room of 2^115
over a flood of 2^112: three) of one further inner product with each column come through.
"""

import secrets
from typing import Any

import numpy as np
import tenseal.sealapi as seal
from numpy.typing import NDArray

from crypto.lattice.ciphertext import Kind, frame, pack
from crypto.lattice.keys import LatticePublicKey
from crypto.lattice.noise import FLOOD_BITS
from crypto.lattice.seal import Ring, Words, residues, ring


def uniform_words(count: int, bits: int) -> Words:
    """Draw words (count,) below 2^bits from the operating system."""
    drawn = np.frombuffer(secrets.token_bytes(8 * count), dtype="<u8")
    words: Words = drawn & np.uint64((1 << bits) - 1)
    return words


def protect(total: Any | None, key: LatticePublicKey, wanted: NDArray[np.int64]) -> tuple[bytes, Words]:
    """Turn an unprotected product (None: zero) into an answer and its pads, words (wanted,) mod t."""
    here = ring(key.parameters)
    pads = uniform_words(wanted.size, key.parameters.plain_modulus_bits)
    answer = seal.Ciphertext()
    key.encryptor.encrypt_zero(answer)
    if total is not None:
        here.evaluator.add_inplace(answer, total)
    here.evaluator.add_inplace(answer, _pads_and_flood(here, pads, wanted))
    return switch_down_and_cut(answer, key, wanted), pads


def _pads_and_flood(here: Ring, pads: Words, wanted: NDArray[np.int64]) -> Any:
    """Make (q / t) m + r at the wanted coefficients, as a ciphertext whose second polynomial is zero."""
    modulus, plain = here.top.modulus, here.parameters.plain_modulus
    added = [
        (int(pad) * modulus + plain // 2) // plain + secrets.randbits(FLOOD_BITS + 1) - (1 << FLOOD_BITS)
        for pad in pads
    ]
    words = np.zeros((2, len(here.top.primes), here.parameters.poly_modulus_degree), dtype=np.uint64)
    words[0][:, wanted] = residues(added, here.top.primes)
    return here.ciphertext(here.top, words)


def switch_down_and_cut(answer: Any, key: LatticePublicKey, wanted: NDArray[np.int64]) -> bytes:
    """Switch to the first prime and frame the wanted coefficients of c0 with all of c1."""
    here = ring(key.parameters)
    here.evaluator.mod_switch_to_inplace(answer, here.bottom.parms_id)
    first, second = here.words(answer)
    body = int(wanted.size).to_bytes(2, "little")
    body += pack(first[:, wanted], here.bottom.primes) + pack(second, here.bottom.primes)
    return frame(Kind.ANSWER, key.fingerprint(), body)
