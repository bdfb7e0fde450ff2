"""What the page says, as plain values and drawn charts; `page.html.j2` only lays it out."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from coordinator.runs import conduct
from crypto.identifiers import Role
from simulations.report import quality_charts, run_charts
from simulations.report.data import BankAlone, Comparison, Holder, Quality, ReportData, Setting
from simulations.report.statistics import separation
from simulations.report.svg import MUTED, WARM
from simulations.report.verbatim import Verbatim
from simulations.report.witness import Witness, what_was_seen
from simulations.report.wording import figure

PHASES: Final = {
    conduct.JOIN: "Introductions",
    conduct.ALIGNMENT: "Finding the common enterprises, blindly",
    conduct.BINNING: "Cutting features into bins",
    conduct.TRAINING: "Training on encrypted residuals",
    conduct.EVALUATION: "Evaluation",
    conduct.SCORING: "Scores for the banks",
}
SHARED_BLOCK: Final = "The banks’ own features"
_ROC_ROWS: Final = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """The answer: this model beside others, the weakest first."""

    federated: Comparison
    models: tuple[Comparison, ...]
    best_alone: Comparison | None
    pooled: Comparison | None
    chart: Verbatim

    @property
    def gain(self) -> float:
        """AUC beyond that of the best participant alone, as the page prints both; 0 if nobody's is known."""
        return printed_gap(self.federated.auc, self.best_alone.auc) if self.best_alone else 0.0

    @property
    def cost(self) -> float:
        """AUC that the pooled model has more, as the page prints both; 0 if it is not known."""
        return printed_gap(self.pooled.auc, self.federated.auc) if self.pooled else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EachBank:
    """Each bank alone beside the federated model, the one that gains most first."""

    banks: tuple[BankAlone, ...]
    better: int
    known: int
    chart: Verbatim


@dataclass(frozen=True, slots=True, kw_only=True)
class RocRow:
    """One threshold: the riskiest so many, and what is among them."""

    population: float
    defaults: float
    goods: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Separating:
    """How well the model parts defaults from good ones."""

    roc: Verbatim
    ks: Verbatim
    legend: tuple[tuple[str, str], ...]  # the class of a swatch, and a name
    rows: tuple[RocRow, ...]
    widest: RocRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One part of the model."""

    title: str
    features: int
    parameters: int
    spread_points: float


def worth(data: ReportData) -> Worth | None:
    """None if no enterprise was held out: then nothing is known of the model's quality."""
    if data.held_out is None:
        return None
    federated = Comparison(
        setting=Setting.FEDERATED,
        title="Together: the federated model",
        auc=data.held_out.auc,
        ks=data.held_out.ks,
        roc=data.held_out.roc,
    )
    # Of equals, those that give up privacy come last.
    order = list(Setting)
    models = sorted((*data.comparisons, federated), key=lambda one: (round(one.auc, 4), order.index(one.setting)))
    return Worth(
        federated=federated,
        models=tuple(models),
        best_alone=data.best(Setting.ALONE),
        pooled=data.best(Setting.POOLED),
        chart=quality_charts.worth(models),
    )


def each_bank(data: ReportData) -> EachBank | None:
    """None if no bank's own figures are known."""
    if not data.banks_alone:
        return None
    gains = [(_gain(bank), bank) for bank in data.banks_alone]
    ordered = tuple(bank for _, bank in sorted(gains, key=lambda pair: -pair[0]))
    return EachBank(
        banks=ordered,
        better=sum(bank.federated_auc is not None and bank.federated_auc > bank.auc for bank in ordered),
        known=sum(bank.federated_auc is not None for bank in ordered),
        chart=quality_charts.banks(ordered),
    )


def _gain(bank: BankAlone) -> float:
    return bank.auc - 1 if bank.federated_auc is None else bank.federated_auc - bank.auc


def separating(data: ReportData, quality: Quality) -> Separating:
    """The ROC curve beside those of the best participant alone and of boosted trees, where they are known."""
    others, legend = [], [("accent", "federated")]
    for setting, colour, swatch in ((Setting.ALONE, MUTED, "muted"), (Setting.TREES, WARM, "warm")):
        best = data.best(setting)
        if best is not None and best.roc is not None:
            others.append((best.roc, colour))
            legend.append((swatch, best.title))
    curves = separation(quality)
    widest = int(np.argmax(curves.defaults - curves.goods))
    at = np.interp(np.linspace(0, 1, _ROC_ROWS), curves.population, np.arange(len(curves.population)))
    rows = [
        RocRow(
            population=float(share),
            defaults=float(np.interp(place, np.arange(len(curves.defaults)), curves.defaults)),
            goods=float(np.interp(place, np.arange(len(curves.goods)), curves.goods)),
        )
        for share, place in zip(np.linspace(0, 1, _ROC_ROWS), at, strict=True)
    ]
    return Separating(
        roc=quality_charts.roc(quality, others),
        ks=quality_charts.ks(quality),
        legend=tuple(legend),
        rows=tuple(rows[1:-1]),
        widest=RocRow(
            population=float(curves.population[widest]),
            defaults=float(curves.defaults[widest]),
            goods=float(curves.goods[widest]),
        ),
    )


def shares(data: ReportData) -> tuple[Share, ...]:
    """Every part of the model, the one that moves scores most first. The banks' common block is one part."""
    parts = [_share(holder.title, (holder,)) for holder in data.having(Role.DEPARTMENT)]
    banks = tuple(holder for holder in data.having(Role.BANK) if holder.parameters)
    if banks:
        parts.append(_share(SHARED_BLOCK, banks))
    return tuple(sorted(parts, key=lambda part: -part.spread_points))


def _share(title: str, holders: tuple[Holder, ...]) -> Share:
    """Spreads of one block on several cohorts: their root mean square, by rows."""
    rows = np.array([holder.rows or 1 for holder in holders], dtype=np.float64)
    spreads = np.array([holder.spread_points for holder in holders])
    return Share(
        title=title,
        features=holders[0].features,
        parameters=holders[0].parameters,
        spread_points=float(np.sqrt(np.average(spreads**2, weights=rows))),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Everything that the template lays out; what is None or empty is left out."""

    data: ReportData
    departments: int
    banks: int
    worth: Worth | None
    each_bank: EachBank | None
    separating: Separating | None
    calibration: Verbatim
    band_counts: Verbatim
    band_rates: Verbatim
    shares: tuple[Share, ...]
    shares_chart: Verbatim
    waterfall: Verbatim
    objective: Verbatim
    auc_by_round: Verbatim
    phases: tuple[tuple[str, float], ...]
    phases_chart: Verbatim
    witnesses: tuple[Witness, ...]

    @classmethod
    def of(cls, data: ReportData) -> "Page":
        """Say everything that the data allow to be said."""
        quality, parts = data.held_out, shares(data)
        phases = tuple((PHASES.get(name, name), seconds) for name, seconds in data.seconds.items())
        nothing = Verbatim("")
        return cls(
            data=data,
            departments=len(data.having(Role.DEPARTMENT)),
            banks=len(data.having(Role.BANK)),
            worth=worth(data),
            each_bank=each_bank(data),
            separating=separating(data, quality) if quality else None,
            calibration=quality_charts.calibration(quality.calibration) if quality else nothing,
            band_counts=quality_charts.band_counts(quality.bands) if quality else nothing,
            band_rates=quality_charts.band_rates(quality.bands) if quality else nothing,
            shares=parts,
            shares_chart=run_charts.shares([(part.title, part.spread_points) for part in parts]) if parts else nothing,
            waterfall=run_charts.waterfall(data.explanation) if data.explanation else nothing,
            objective=run_charts.objective(data.rounds) if data.rounds else nothing,
            auc_by_round=run_charts.auc_by_round(data.rounds),
            phases=phases,
            phases_chart=run_charts.seconds(phases) if phases else nothing,
            witnesses=what_was_seen(data),
        )

    @property
    def seconds(self) -> float:
        """The time of all phases."""
        return sum(seconds for _, seconds in self.phases)


def difference(model: Comparison, federated: Comparison) -> str:
    """How a model's AUC differs from the federated one's, with its sign."""
    if model is federated:
        return ""
    gap = printed_gap(model.auc, federated.auc)
    return f"{'+' if gap > 0 else '−'}{figure(abs(gap))}" if gap else "the same"


def printed_gap(one: float, other: float) -> float:
    """The difference of two figures as they are printed, so that the page adds up; 0 if they print alike."""
    return round(float(figure(one)) - float(figure(other)), 4)
