"""What a world is made of."""

import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np

from simulations.errors import WorldRefused

MAXIMUM_DEPARTMENTS: Final = 26
MAXIMUM_BANKS: Final = 12
MAXIMUM_ENTERPRISES: Final = 2_000_000
MAXIMUM_MONTH: Final = 240
LARGEST_BORROWER_SHARE: Final = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldParameters:
    """The size of a world, its seed and the month at which it is seen (month 0 begins on 1 January 2026)."""

    departments: int = 8
    banks: int = 3
    enterprises: int = 12_000
    borrowers_per_bank: int = 3_000
    """On average; the banks differ in size."""
    decoy_share: float = 0.08
    """Decoys in a bank's book, as a share of its borrowers."""
    seed: int = 42
    month: int = 0

    def __post_init__(self) -> None:
        bounds = {
            "departments": (self.departments, 1, MAXIMUM_DEPARTMENTS),
            "banks": (self.banks, 1, MAXIMUM_BANKS),
            "enterprises": (self.enterprises, 100, MAXIMUM_ENTERPRISES),
            "borrowers_per_bank": (self.borrowers_per_bank, 20, self.enterprises),
            "decoy_share": (self.decoy_share, 0, 1),
            "seed": (self.seed, 0, 2**32 - 1),
            "month": (self.month, 0, MAXIMUM_MONTH),
        }
        for name, (value, low, high) in bounds.items():
            if not low <= value <= high:
                raise WorldRefused(f"{name} must be from {low} to {high}")
        if self.banks * self.borrowers_per_bank > LARGEST_BORROWER_SHARE * self.enterprises:
            raise WorldRefused(
                f"{self.banks} banks with {self.borrowers_per_bank} borrowers each need more enterprises",
                advice=f"At most {LARGEST_BORROWER_SHARE:.0%} of all enterprises can be borrowers.",
            )

    def generator(self, purpose: str, *numbers: int) -> np.random.Generator:
        """Return the generator of this world for one purpose, so that no part's draws depend on another's."""
        return np.random.default_rng([self.seed, zlib.crc32(purpose.encode("utf-8")), *(n + 1000 for n in numbers)])
