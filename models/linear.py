"""The linear block: one weight for each feature's standardised value, and one for its absence.

    quantised = round(clip((value - centre) / spread, -LIMIT, LIMIT) * STEPS)        missing: 0 and an indicator of
    STEPS

The scale is the same for all features and part of the format: a weight is log-odds for one STEPS-th of a spread. With
|quantised| <= 127 the columns are as small as the encrypted inner products like them (8 bits).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from models.additive import AdditiveBlock, checked_vector
from models.errors import InvalidModelInput
from models.feature_bins import Column, as_numbers
from models.penalties import DEFAULT_RIDGE

STEPS: Final = 32
LIMIT: Final = 127 / 32
MISSING: Final = -128
"""The code of a missing value: no quantised one reaches it."""

Vector = npt.NDArray[np.float64]
QuantisedCodes = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearFeature:
    """How one feature is standardised: its centre and its spread, both in the feature's own unit."""

    name: str
    centre: float
    spread: float

    def __post_init__(self) -> None:
        if not (self.name and np.isfinite(self.centre) and np.isfinite(self.spread) and self.spread > 0):
            raise InvalidModelInput("a linear feature has a name, a finite centre and a spread above 0")

    def encode(self, values: Column) -> QuantisedCodes:
        """Return the quantised values, (rows,) int8."""
        numbers = as_numbers(self.name, values)
        missing = np.isnan(numbers)
        standardised = (np.where(missing, self.centre, numbers) - self.centre) / self.spread
        codes = np.rint(np.clip(standardised, -LIMIT, LIMIT) * STEPS).astype(np.int8)
        codes[missing] = MISSING
        return codes

    def to_json(self) -> dict[str, Any]:
        """Return the feature as plain JSON values."""
        return {"name": self.name, "centre": self.centre, "spread": self.spread}

    @classmethod
    def from_json(cls, data: object) -> "LinearFeature":
        """Read what `to_json` wrote; anything else is refused."""
        if not isinstance(data, Mapping) or set(data) != {"name", "centre", "spread"}:
            raise InvalidModelInput("a linear feature has a name, a centre and a spread, nothing else")
        if type(data["name"]) is not str or type(data["centre"]) is not float or type(data["spread"]) is not float:
            raise InvalidModelInput("a linear feature's name is text, its centre and spread are numbers")
        return cls(name=data["name"], centre=data["centre"], spread=data["spread"])


def fit_linear_feature(name: str, values: Column) -> LinearFeature:
    """Return the feature centred at its median; the spread is from the quartiles, so that outliers do not set it."""
    numbers = as_numbers(name, values)
    present = numbers[~np.isnan(numbers)]
    if not len(present):
        return LinearFeature(name=name, centre=0.0, spread=1.0)
    low, centre, high = np.quantile(present, [0.25, 0.5, 0.75])
    spread = (high - low) / 1.349 or float(present.std()) or 1.0  # 1.349: the distance of a normal's quartiles
    return LinearFeature(name=name, centre=float(centre), spread=float(spread))


class LinearBlock(AdditiveBlock):
    """Two weights a feature: of its quantised value and of its absence. Codes: (rows, features) int8.

    In `columns` (rows, 2 features) int8 the first half are values, the second half indicators of STEPS where missing.
    """

    def __init__(self, features: Sequence[LinearFeature], weights: Vector | None = None) -> None:
        names = [feature.name for feature in features]
        if not names or len(set(names)) != len(names):
            raise InvalidModelInput("a block has at least one feature, and no two of one name")
        super().__init__(2 * len(names))
        self.features = tuple(features)
        if weights is not None:
            self.set_weights(weights)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The features that the block reads, in its order."""
        return tuple(feature.name for feature in self.features)

    def encode(self, values: Mapping[str, Column]) -> QuantisedCodes:
        """Return the quantised values, (rows, features)."""
        missing = [name for name in self.feature_names if name not in values]
        if missing:
            raise InvalidModelInput(f"features are missing: {', '.join(missing)}")
        columns = [feature.encode(values[feature.name]) for feature in self.features]
        if len({len(column) for column in columns}) > 1:
            raise InvalidModelInput("the features' columns differ in length")
        return np.column_stack(columns)

    def absent_codes(self, rows: int) -> QuantisedCodes:
        """Return the codes of enterprises without a record: every feature missing."""
        return np.full((rows, len(self.features)), MISSING, dtype=np.int8)

    def columns(self, codes: QuantisedCodes) -> npt.NDArray[np.int8]:
        """Return the design matrix (rows, 2 features): values, then indicators of absence."""
        if codes.ndim != 2 or codes.shape[1] != len(self.features):
            raise InvalidModelInput(f"codes of {len(self.features)} features were expected")
        missing = codes == MISSING
        return np.hstack((np.where(missing, 0, codes), np.where(missing, STEPS, 0))).astype(np.int8)

    def image(self, codes: QuantisedCodes, vector: Vector) -> Vector:
        """Return columns(codes) @ vector, (rows,)."""
        return self.columns(codes) @ checked_vector(vector, self.size)

    def contributions(self, codes: QuantisedCodes) -> Vector:
        """Return each feature's part of the log-odds, (rows, features): the explanation, exact."""
        parts = self.columns(codes) * self.weights_array()
        return parts[:, : len(self.features)] + parts[:, len(self.features) :]

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """Return the block's log-odds, (rows,) float64; `codes`: (rows, features) of any integer type."""
        missing = codes == MISSING
        values = torch.where(missing, torch.zeros_like(codes), codes).to(torch.float64)
        indicators = missing.to(torch.float64) * STEPS
        return torch.cat((values, indicators), dim=1) @ self.weights

    def penalty_matrix(self, smoothness: float = 0.0, ridge: float = DEFAULT_RIDGE) -> Vector:
        """Return P = ridge STEPS^2 I: `ridge` on the log-odds of one spread, as on a bin; nothing to smooth."""
        if not (smoothness >= 0 and np.isfinite(ridge) and ridge > 0):
            raise InvalidModelInput("a smoothness is not negative and a ridge is above 0")
        return ridge * STEPS**2 * np.eye(self.size)
