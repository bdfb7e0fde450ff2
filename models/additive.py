"""Blocks: the part of the credit model that lives at one participant. Each gives an enterprise one number of log-odds.

    log_odds_default = intercept + sum over blocks of block(codes)            block(codes)_i = columns(codes)_i .
    weights

`columns` (rows, size) are small integers, which is what the encrypted inner products want: 0 and 1 for binned
features, a quantised number for linear ones. The order of rows is the cohort's; an enterprise that the holder has no
record of has all of its features missing (`absent_codes`), so that absence looks like a record without values.

Blocks are torch modules in double precision: they compose with other modules and with autograd. The library itself
never needs a gradient of them; the encrypted inner products bring it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from scipy.linalg import block_diag

from models.errors import InvalidModelInput
from models.feature_bins import Column, FeatureBins
from models.penalties import DEFAULT_RIDGE, DEFAULT_SMOOTHNESS

Vector = npt.NDArray[np.float64]


class Block(Protocol):
    """What every kind of block can do."""

    @property
    def size(self) -> int:
        """How many parameters the block has."""
        ...

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The features that the block reads, in its order."""
        ...

    def encode(self, values: Mapping[str, Column]) -> npt.NDArray[Any]:
        """Return the codes (rows, features) of named columns of values."""
        ...

    def absent_codes(self, rows: int) -> npt.NDArray[Any]:
        """Return the codes (rows, features) of enterprises that the holder does not know."""
        ...

    def columns(self, codes: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the design matrix (rows, size) of small integers."""
        ...

    def image(self, codes: npt.NDArray[Any], vector: Vector) -> Vector:
        """Return columns(codes) @ vector, (rows,), without making the columns."""
        ...

    def contributions(self, codes: npt.NDArray[Any]) -> Vector:
        """Return each feature's part of the log-odds, (rows, features)."""
        ...

    def penalty_matrix(self, smoothness: float, ridge: float) -> Vector:
        """Return P (size, size) of the block's penalty 1/2 w'Pw."""
        ...

    def weights_array(self) -> Vector:
        """Return the weights, (size,), a copy."""
        ...

    def set_weights(self, weights: Vector) -> None:
        """Replace the weights, (size,)."""
        ...


class AdditiveBlock(torch.nn.Module):
    """What binned and linear blocks share: a vector of weights in double precision, and who may set it."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weights = torch.nn.Parameter(torch.zeros(size, dtype=torch.float64), requires_grad=False)

    @property
    def size(self) -> int:
        """How many parameters the block has."""
        return int(self.weights.numel())

    def weights_array(self) -> Vector:
        """Return the weights, (size,), a copy."""
        return np.array(self.weights.detach().numpy(), dtype=np.float64)

    def set_weights(self, weights: Vector) -> None:
        """Replace the weights, (size,); refuses other shapes and what is no number."""
        self.weights.copy_(torch.from_numpy(checked_vector(weights, self.size)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class BinnedBlock(AdditiveBlock):
    """One weight for each bin of each feature: a scorecard. Codes are bins, (rows, features) uint16."""

    def __init__(self, features: Sequence[FeatureBins], weights: Vector | None = None) -> None:
        _check_names([bins.name for bins in features])
        super().__init__(sum(bins.count for bins in features))
        self.features = tuple(features)
        self.starts = np.cumsum([0, *(bins.count for bins in features)])[:-1]
        if weights is not None:
            self.set_weights(weights)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The features that the block reads, in its order."""
        return tuple(bins.name for bins in self.features)

    def encode(self, values: Mapping[str, Column]) -> npt.NDArray[np.uint16]:
        """Return the bin of each value, (rows, features)."""
        return np.column_stack([bins.encode(column) for bins, column in _matched(self.features, values)])

    def absent_codes(self, rows: int) -> npt.NDArray[np.uint16]:
        """Return the codes of enterprises without a record: every feature missing."""
        return np.tile(np.array([bins.missing for bins in self.features], dtype=np.uint16), (rows, 1))

    def places(self, codes: npt.NDArray[np.uint16]) -> npt.NDArray[np.int64]:
        """Return the index of each code's weight, (rows, features)."""
        if codes.ndim != 2 or codes.shape[1] != len(self.features):
            raise InvalidModelInput(f"codes of {len(self.features)} features were expected")
        if (codes >= np.array([bins.count for bins in self.features])).any():
            raise InvalidModelInput("a code names a bin that its feature does not have")
        places: npt.NDArray[np.int64] = codes.astype(np.int64) + self.starts
        return places

    def columns(self, codes: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint8]:
        """Return the design matrix (rows, size): a 1 in the bin of each feature."""
        columns = np.zeros((len(codes), self.size), dtype=np.uint8)
        np.put_along_axis(columns, self.places(codes), 1, axis=1)
        return columns

    def image(self, codes: npt.NDArray[np.uint16], vector: Vector) -> Vector:
        """Return columns(codes) @ vector, (rows,), by looking the entries up."""
        looked_up: Vector = checked_vector(vector, self.size)[self.places(codes)]
        return np.asarray(looked_up.sum(axis=1), dtype=np.float64)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """Return the block's log-odds, (rows,) float64; `codes`: (rows, features) of any integer type."""
        places = codes.to(torch.int64) + torch.from_numpy(self.starts)
        return self.weights[places].sum(dim=1)

    def penalty_matrix(self, smoothness: float = DEFAULT_SMOOTHNESS, ridge: float = DEFAULT_RIDGE) -> Vector:
        """Return P: `ridge` on all, `smoothness` on second differences of a number's neighbouring intervals."""
        _check_penalty(smoothness, ridge)
        parts = []
        for bins in self.features:
            part = ridge * np.eye(bins.count)
            if bins.ordered > 2:
                differences = np.diff(np.eye(bins.ordered), 2, axis=0)
                part[: bins.ordered, : bins.ordered] += smoothness * differences.T @ differences
            parts.append(part)
        return np.asarray(block_diag(*parts), dtype=np.float64)

    def contributions(self, codes: npt.NDArray[np.uint16]) -> Vector:
        """Return each feature's part of the log-odds, (rows, features): the explanation, exact."""
        parts: Vector = self.weights_array()[self.places(codes)]
        return parts


def checked_vector(vector: Vector, size: int) -> Vector:
    """Return `vector` as float64 (size,), or refuse it."""
    checked = np.ascontiguousarray(vector, dtype=np.float64)
    if checked.shape != (size,) or not np.isfinite(checked).all():
        raise InvalidModelInput(f"{size} finite numbers were expected, one for each parameter")
    return checked


def _check_names(names: Sequence[str]) -> None:
    if not names or len(set(names)) != len(names):
        raise InvalidModelInput("a block has at least one feature, and no two of one name")


def _check_penalty(smoothness: float, ridge: float) -> None:
    if not (np.isfinite(smoothness) and smoothness >= 0 and np.isfinite(ridge) and ridge > 0):
        raise InvalidModelInput("a smoothness is not negative and a ridge is above 0")


def _matched(features: Sequence[FeatureBins], values: Mapping[str, Column]) -> list[tuple[FeatureBins, Column]]:
    missing = [bins.name for bins in features if bins.name not in values]
    if missing:
        raise InvalidModelInput(f"features are missing: {', '.join(missing)}")
    columns = [values[bins.name] for bins in features]
    if len({len(column) for column in columns}) > 1:
        raise InvalidModelInput("the features' columns differ in length")
    return list(zip(features, columns, strict=True))
