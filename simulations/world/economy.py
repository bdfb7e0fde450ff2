"""The enterprises' true state, and the process by which they default. Nobody in the federation sees either.

Each enterprise has nine factors, standard normal over all enterprises, a sector and a district.

    stays          size, age, assets (property it could pledge), skill (know-how), trade (openness to it)
    moves monthly    liquidity, growth, discipline (keeps its obligations), disputes

The moving ones are autoregressive, x(t) = phi x(t-1) + sqrt(1 - phi^2) e(t), with correlated e, so that old data say
less. Larger firms are older and own more; liquidity goes with growth and discipline and against disputes.

Default within the twelve months after month t has the log-odds

    log_odds_default = -3.60 - 0.34 size - 0.34 age - 0.50 assets - 0.22 skill
                       - 0.85 liquidity(t) - 0.55 growth(t) - 0.75 discipline(t) + 0.70 disputes(t)
                       + 0.25 max(growth(t) - 1.2, 0)^2               a firm can outgrow its means
                       + 0.20 max(disputes(t), 0) max(-liquidity(t), 0)  a lawsuit is worse without cash
                       + sector                                        between -0.3 and +0.4

and is drawn from it independently between enterprises; for one enterprise the draws of neighbouring months go together.
The best AUC that any model could reach ranks by these log-odds; no department or bank sees more than noisy images of a
few factors, and those at the age that its update frequency gives them.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import expit, ndtr

from crypto.identifiers import EnterpriseId
from models.enterprise_id import FICTITIOUS_CODES, numbered_enterprise_ids
from simulations.world.parameters import WorldParameters

Array = npt.NDArray[np.float64]

DISTRICTS: Final = 38
FIRST_MONTH: Final = -13
"""The oldest state that is kept: the end of a year's data, a month before they are out."""

# Sections of GB/T 4754, with their share of all enterprises, effect on the log-odds, and leaning to skill and trade.
SECTORS: Final[dict[str, tuple[float, float, float, float]]] = {
    "A": (0.05, 0.15, -0.4, -0.3),
    "C": (0.20, -0.10, 0.2, 0.7),
    "E": (0.12, 0.40, -0.2, -0.4),
    "F": (0.26, 0.05, -0.2, 0.2),
    "G": (0.05, 0.10, -0.2, 0.1),
    "H": (0.07, 0.30, -0.5, -0.4),
    "I": (0.07, -0.20, 0.9, 0.1),
    "K": (0.03, 0.35, -0.2, -0.5),
    "L": (0.07, 0.00, 0.0, -0.1),
    "M": (0.04, -0.30, 1.0, 0.1),
    "O": (0.03, 0.05, -0.4, -0.5),
    "R": (0.01, 0.10, 0.1, -0.3),
}
_MOVING: Final = ("liquidity", "growth", "discipline", "disputes")
_PERSISTENCE: Final = np.array([0.94, 0.91, 0.97, 0.96])
_MOVING_CORRELATION: Final = np.array(
    [[1.0, 0.3, 0.25, -0.25], [0.3, 1.0, 0.1, -0.1], [0.25, 0.1, 1.0, -0.2], [-0.25, -0.1, -0.2, 1.0]]
)
_INTERCEPT: Final = -3.6
_SLOPES: Final = {
    "size": -0.34,
    "age": -0.34,
    "assets": -0.50,
    "skill": -0.22,
    "liquidity": -0.85,
    "growth": -0.55,
    "discipline": -0.75,
    "disputes": 0.70,
}
_LUCK_PERSISTENCE: Final = 0.8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Economy:
    """All enterprises from `FIRST_MONTH` to the month at which the world is seen."""

    enterprise_ids: tuple[EnterpriseId, ...]
    sector: npt.NDArray[np.str_]
    """(enterprises,) letters of `SECTORS`."""
    constant: dict[str, Array]
    """Each (enterprises,)."""
    moving: dict[str, Array]
    """Each (months, enterprises); the first is `FIRST_MONTH`."""

    def factors(self, month: int) -> dict[str, Array]:
        """Return every factor as it was in `month`, each (enterprises,)."""
        now = {name: history[month - FIRST_MONTH] for name, history in self.moving.items()}
        return self.constant | now


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class GroundTruth:
    """What happens, by enterprise: the true probability of default and the default itself. All (enterprises,)."""

    enterprise_ids: tuple[EnterpriseId, ...]
    log_odds_default: Array
    probability_of_default: Array
    default: npt.NDArray[np.bool_]


def make_economy(parameters: WorldParameters) -> Economy:
    """Return the economy up to the parameters' month. Earlier months are the same whatever that month is."""
    count = parameters.enterprises
    rng = parameters.generator("enterprises")
    numbers = rng.choice(FICTITIOUS_CODES, size=count, replace=False)
    districts = 1 + rng.choice(DISTRICTS, size=count, p=_district_shares())
    shares = np.array([share for share, *_ in SECTORS.values()])
    sector = rng.choice(list(SECTORS), size=count, p=shares / shares.sum())
    return Economy(
        enterprise_ids=tuple(numbered_enterprise_ids(numbers, districts)),
        sector=sector,
        constant=_constant_factors(rng, sector),
        moving=_moving_factors(parameters),
    )


def ground_truth(parameters: WorldParameters, economy: Economy | None = None) -> GroundTruth:
    """Return each enterprise's true probability of default in the twelve months after the parameters' month."""
    economy = economy or make_economy(parameters)
    factors = economy.factors(parameters.month)
    log_odds = np.full(parameters.enterprises, _INTERCEPT)
    log_odds += sum(slope * factors[name] for name, slope in _SLOPES.items())
    log_odds = log_odds + 0.25 * np.maximum(factors["growth"] - 1.2, 0) ** 2
    log_odds = log_odds + 0.20 * np.maximum(factors["disputes"], 0) * np.maximum(-factors["liquidity"], 0)
    log_odds = log_odds + np.array([SECTORS[letter][1] for letter in economy.sector.tolist()])
    probability: Array = expit(log_odds)
    return GroundTruth(
        enterprise_ids=economy.enterprise_ids,
        log_odds_default=log_odds,
        probability_of_default=probability,
        default=_luck(parameters) < probability,
    )


def _district_shares() -> Array:
    shares = 1.0 / (np.arange(DISTRICTS) + 4.0)
    normalised: Array = shares / shares.sum()
    return normalised


def _constant_factors(rng: np.random.Generator, sector: npt.NDArray[np.str_]) -> dict[str, Array]:
    size, age, assets, skill, trade = rng.standard_normal((5, sector.size))
    leaning = np.array([SECTORS[letter][2:] for letter in sector.tolist()]).T
    age = 0.4 * size + np.sqrt(1 - 0.4**2) * age
    return {
        "size": size,
        "age": age,
        "assets": 0.45 * size + 0.2 * age + 0.83 * assets,
        "skill": _standardised(leaning[0] + 0.15 * size + skill),
        "trade": _standardised(leaning[1] + 0.25 * size + trade),
    }


def _standardised(values: Array) -> Array:
    scaled: Array = (values - values.mean()) / values.std()
    return scaled


def _moving_factors(parameters: WorldParameters) -> dict[str, Array]:
    months = parameters.month - FIRST_MONTH + 1
    root = np.linalg.cholesky(_MOVING_CORRELATION)
    history = np.empty((len(_MOVING), months, parameters.enterprises))
    fresh = np.sqrt(1 - _PERSISTENCE**2)[:, None]
    for index in range(months):
        rng = parameters.generator("month", FIRST_MONTH + index)
        shocks = root @ rng.standard_normal((len(_MOVING), parameters.enterprises))
        before = history[:, index - 1] * _PERSISTENCE[:, None] if index else 0.0
        history[:, index] = before + (fresh * shocks if index else shocks)
    return dict(zip(_MOVING, history, strict=True))


def _luck(parameters: WorldParameters) -> Array:
    """Return a uniform number for each enterprise, which it keeps in part from month to month."""
    lasting = parameters.generator("luck").standard_normal(parameters.enterprises)
    passing = parameters.generator("luck", parameters.month).standard_normal(parameters.enterprises)
    luck: Array = ndtr(np.sqrt(_LUCK_PERSISTENCE) * lasting + np.sqrt(1 - _LUCK_PERSISTENCE) * passing)
    return luck
