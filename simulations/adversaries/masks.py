"""What a coordinator gets from two vectors that a careless member masked under one context."""

from crypto.fixed_point import Reals, Words, from_fixed_point


class ForgetfulLedger:
    """The weakened ledger: it claims whatever it is asked to, as often as it is asked."""

    def claim(self, digest: bytes) -> None:
        """Remember nothing of `digest`."""


def difference_of_masked(first: Words, second: Words, fraction_bits: int) -> Reals:
    """Return second - first: the member's own difference whenever both carry the same mask."""
    return from_fixed_point(second - first, fraction_bits)
