"""How one feature is cut into bins: every value, known or missing, falls into exactly one.

    number    (-inf, e_0]  (e_0, e_1]  ...  (e_last, inf)  missing              bins: edges + 2
    category  category_0   ...   category_last   missing   other                bins: categories + 2

"Other" takes categories that were rare or unseen when the bins were made. An enterprise that a department does not
hold has all of its features missing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.errors import InvalidModelInput

MAXIMUM_BINS: Final = 1 << 12
_MISSING: Final = "missing"
_OTHER: Final = "other"

Codes = npt.NDArray[np.uint16]
Column = npt.NDArray[np.float64] | Sequence[str | None]
"""What a feature's values come as: float64 with NaN for missing, or text with None for missing; (rows,)."""


class FeatureKind(StrEnum):
    """Whether neighbouring bins mean neighbouring values."""

    NUMBER = "number"
    CATEGORY = "category"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureBins:
    """The bins of one feature. `edges` are the upper bounds (inclusive) of all intervals but the last."""

    name: str
    kind: FeatureKind
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._check_parts()
        if self.count > MAXIMUM_BINS:
            raise InvalidModelInput(f"feature {self.name}: more than {MAXIMUM_BINS} bins")
        if not np.isfinite(self.edges).all() or any(low >= high for low, high in pairwise(self.edges)):
            raise InvalidModelInput(f"feature {self.name}: edges must be finite and rise")
        if len(set(self.categories)) != len(self.categories):
            raise InvalidModelInput(f"feature {self.name}: a category is named twice")

    def _check_parts(self) -> None:
        wrong = self.categories if self.kind is FeatureKind.NUMBER else self.edges
        if not self.name or wrong:
            raise InvalidModelInput("bins have a name, and either edges or categories according to their kind")

    @property
    def count(self) -> int:
        """How many bins there are, those for missing and other included."""
        return len(self.edges) + len(self.categories) + 2

    @property
    def ordered(self) -> int:
        """How many of the first bins are in an order in which neighbours should get similar points."""
        return len(self.edges) + 1 if self.kind is FeatureKind.NUMBER else 0

    @property
    def missing(self) -> int:
        """The bin of missing values."""
        return len(self.edges) + 1 if self.kind is FeatureKind.NUMBER else len(self.categories)

    def encode(self, values: Column) -> Codes:
        """Return the bin of each value, (rows,) uint16. Infinite numbers are refused: they are no measurement."""
        if self.kind is FeatureKind.CATEGORY:
            place = {category: index for index, category in enumerate(self.categories)}
            other = len(self.categories) + 1
            found = (self.missing if value is None else place.get(str(value), other) for value in values)
            return np.fromiter(found, dtype=np.uint16, count=len(values))
        numbers = as_numbers(self.name, values)
        codes = np.searchsorted(np.array(self.edges), numbers, side="left").astype(np.uint16)
        codes[np.isnan(numbers)] = self.missing
        return codes

    def label(self, index: int) -> str:
        """Return what a person reads for a bin: `<= 5`, `5 .. 9`, `> 9`, `missing`, a category, or `other`."""
        if not 0 <= index < self.count:
            raise InvalidModelInput(f"feature {self.name} has {self.count} bins")
        if index == self.missing:
            return _MISSING
        if self.kind is FeatureKind.CATEGORY:
            return self.categories[index] if index < len(self.categories) else _OTHER
        if not self.edges:
            return "any"
        if index == 0:
            return f"<= {self.edges[0]:,.6g}"
        if index == len(self.edges):
            return f"> {self.edges[-1]:,.6g}"
        return f"{self.edges[index - 1]:,.6g} .. {self.edges[index]:,.6g}"

    def to_json(self) -> dict[str, Any]:
        """Return the bins as plain JSON values; `from_json` gives them back exactly."""
        part: dict[str, Any] = {"name": self.name, "kind": self.kind.value}
        if self.kind is FeatureKind.NUMBER:
            return part | {"edges": list(self.edges)}
        return part | {"categories": list(self.categories)}

    @classmethod
    def from_json(cls, data: object) -> "FeatureBins":
        """Read what `to_json` wrote; anything else is refused."""
        if not isinstance(data, Mapping) or data.get("kind") not in list(FeatureKind):
            raise InvalidModelInput("bins are an object with a kind, number or category")
        kind = FeatureKind(data["kind"])
        field, element = ("edges", float) if kind is FeatureKind.NUMBER else ("categories", str)
        if set(data) != {"name", "kind", field} or not isinstance(data["name"], str):
            raise InvalidModelInput(f"bins of a {kind} have a name, a kind and {field}, nothing else")
        values = data[field]
        if not isinstance(values, list) or not all(type(value) is element for value in values):
            raise InvalidModelInput(f"{field} are a list of one type")
        if kind is FeatureKind.NUMBER:
            return cls(name=data["name"], kind=kind, edges=tuple(values))
        return cls(name=data["name"], kind=kind, categories=tuple(values))


def as_numbers(name: str, values: Column) -> npt.NDArray[np.float64]:
    """Return `values` as float64 (rows,), NaN for missing; refuses text and infinities."""
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidModelInput(f"feature {name}: numbers were expected") from error
    if numbers.ndim != 1 or np.isinf(numbers).any():
        raise InvalidModelInput(f"feature {name}: finite numbers were expected, NaN for missing")
    return numbers
