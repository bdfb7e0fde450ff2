"""Charts of how good the model is."""

from collections.abc import Sequence
from typing import Any, Final

import altair as alt
import numpy as np

from models.histogram_metrics import ScoreBand
from models.metrics import CalibrationRow, RocCurve
from simulations.report.data import BankAlone, Comparison, Quality, Setting
from simulations.report.statistics import rate_interval, separation
from simulations.report.svg import ACCENT, FAINT, INK, MUTED, PAPER, WARM, WIDTH, chart_of, inline_svg
from simulations.report.verbatim import Verbatim
from simulations.report.wording import count, figure, percent, shortened

HALF: Final = 350
_ROW: Final = 40
_COIN: Final = 0.5
_LABEL_COLUMNS: Final = 76
_ROOM_ON_THE_RIGHT: Final = 0.55


def worth(models: Sequence[Comparison]) -> Verbatim:
    """AUC of every model, the weakest first; 0.5, tossing a coin, is where each line starts."""
    rows = [
        {
            "place": place,
            "title": shortened(model.title, _LABEL_COLUMNS),
            "auc": model.auc,
            "figure": figure(model.auc),
            "coin": _COIN,
        }
        | _looks(model.setting)
        for place, model in enumerate(models)
    ]
    low, high = _auc_range([model.auc for model in models])
    x = _auc_axis("auc:Q", [low, high])
    colour = alt.Color("colour:N", scale=None)
    base = chart_of(rows).encode(y=_places())
    chart = alt.layer(
        base.mark_rule(strokeWidth=3, yOffset=8).encode(x=x, x2="coin:Q", color=colour),
        base.mark_point(filled=True, size=110, opacity=1, yOffset=8, strokeWidth=2.5).encode(
            x=x, fill=alt.Fill("fill:N", scale=None), stroke=alt.Stroke("colour:N", scale=None)
        ),
        base.mark_text(align="left", dy=-9, fontSize=13, color=INK).encode(x=alt.value(0), text="title:N"),
        base.mark_text(align="right", dy=-9, fontSize=13, fontWeight=600).encode(
            x=alt.value("width"), text="figure:N", color=colour
        ),
    ).properties(width=WIDTH, height=_ROW * len(rows) + 46)
    return inline_svg(
        chart,
        identifier="worth",
        title="AUC of every model",
        description="; ".join(f"{row['title']}: {row['figure']}" for row in rows) + ".",
    )


def banks(alone: Sequence[BankAlone]) -> Verbatim:
    """AUC of each bank alone, and of the federated model on the same borrowers."""
    rows = [
        {
            "place": place,
            "title": shortened(bank.title, _LABEL_COLUMNS),
            "alone": bank.auc,
            "federated": bank.federated_auc,
            "figure": _from_to(bank),
        }
        for place, bank in enumerate(alone)
    ]
    known = [auc for bank in alone for auc in (bank.auc, bank.federated_auc) if auc is not None]
    domain = list(_auc_range(known))
    base = chart_of(rows).encode(y=_places())
    both = base.transform_filter("isValid(datum.federated)")
    x, x2 = _auc_axis("alone:Q", domain), _auc_axis("federated:Q", domain)
    chart = alt.layer(
        both.mark_rule(strokeWidth=3, yOffset=8, color=FAINT).encode(x=x, x2="federated:Q"),
        base.mark_point(filled=True, size=110, opacity=1, yOffset=8, color=MUTED).encode(x=x),
        both.mark_point(filled=True, size=110, opacity=1, yOffset=8, color=ACCENT).encode(x=x2),
        base.mark_text(align="left", dy=-9, fontSize=13, color=INK).encode(x=alt.value(0), text="title:N"),
        base.mark_text(align="right", dy=-9, fontSize=13, color=MUTED).encode(x=alt.value("width"), text="figure:N"),
    ).properties(width=WIDTH, height=_ROW * len(rows) + 46)
    return inline_svg(
        chart,
        identifier="banks",
        title="AUC of each bank alone and with the federated model",
        description="; ".join(f"{row['title']}: {row['figure']}" for row in rows) + ".",
    )


def _from_to(bank: BankAlone) -> str:
    alone = figure(bank.auc)
    return alone if bank.federated_auc is None else f"{alone} → {figure(bank.federated_auc)}"


def _places() -> Any:
    return alt.Y("place:O", axis=None, scale=alt.Scale(paddingInner=0, paddingOuter=0))


def _auc_range(values: Sequence[float]) -> tuple[float, float]:
    low = min(values)
    return _COIN if low >= _COIN else max(0.0, low - 0.02), min(1.0, max(values) + 0.02)


def _auc_axis(field: str, domain: Sequence[float]) -> Any:
    axis = alt.Axis(
        title="AUC: 0.5 is tossing a coin, 1 is never wrong", format=".2f", tickCount=6, grid=False, ticks=True
    )
    return alt.X(field, scale=alt.Scale(domain=list(domain), nice=False), axis=axis)


def _looks(setting: Setting) -> dict[str, str]:
    colour = {Setting.FEDERATED: ACCENT, Setting.ALONE: MUTED}.get(setting, WARM)
    return {"colour": colour, "fill": PAPER if setting in {Setting.POOLED, Setting.TREES} else colour}


def roc(quality: Quality, others: Sequence[tuple[RocCurve, str]]) -> Verbatim:
    """The ROC curve, with those of other models and their colours beneath."""
    layers = [_line([0, 1], [0, 1], MUTED, dash=[3, 3])]
    layers += [
        _line(curve.false_positive_rate, curve.true_positive_rate, colour, width=1.5) for curve, colour in others
    ]
    layers.append(_line(quality.roc.false_positive_rate, quality.roc.true_positive_rate, ACCENT, width=2.5))
    chart = alt.layer(*layers).properties(width=HALF, height=HALF)
    return inline_svg(
        chart,
        identifier="roc",
        title="ROC curve",
        description=f"The share of defaults avoided against the share of good ones lost; "
        f"the area under the curve is {figure(quality.auc)}.",
    )


def _line(x: Any, y: Any, colour: str, *, width: float = 1.0, dash: list[int] | None = None) -> Any:
    values = [{"x": float(one), "y": float(other), "at": at} for at, (one, other) in enumerate(zip(x, y, strict=True))]
    mark = chart_of(values).mark_line(
        color=colour, strokeWidth=width, strokeDash=dash or alt.Undefined, strokeJoin="round"
    )
    return mark.encode(
        x=_share("x:Q", "good ones lost"), y=_share("y:Q", "defaults avoided", vertical=True), order="at:Q"
    )


def _share(field: str, title: str, *, vertical: bool = False) -> Any:
    axis = alt.Axis(title=title, format=".0%", tickCount=5, minExtent=40 if vertical else alt.Undefined)
    channel = alt.Y if vertical else alt.X
    return channel(field, scale=alt.Scale(domain=[0, 1]), axis=axis)


def ks(quality: Quality) -> Verbatim:
    """Shares of defaults and of good ones among the riskiest so many percent, and where they are furthest apart."""
    curves = separation(quality)
    widest = int(np.argmax(curves.defaults - curves.goods))
    rows = [
        {"x": float(x), "y": float(y), "colour": colour, "at": at}
        for colour, shares in ((WARM, curves.defaults), (MUTED, curves.goods))
        for at, (x, y) in enumerate(zip(curves.population, shares, strict=True))
    ]
    x = _share("x:Q", "riskiest part of all, by score")
    y = _share("y:Q", "share of them in that part", vertical=True)
    colour = alt.Color("colour:N", scale=None)
    at = {
        "x": float(curves.population[widest]),
        "y": float(curves.goods[widest]),
        "y2": float(curves.defaults[widest]),
    }
    # Where neither curve passes: above the middle on the right of the gap, below it on the left.
    right = at["x"] < _ROOM_ON_THE_RIGHT
    height = at["y"] + (0.82 if right else 0.15) * (at["y2"] - at["y"])
    gap = chart_of([at | {"text": f"KS {quality.ks:.3f}", "height": height}])
    chart = alt.layer(
        chart_of(rows).mark_line(strokeWidth=2.5).encode(x=x, y=y, color=colour, order="at:Q"),
        gap.mark_rule(color=ACCENT, strokeWidth=2).encode(x=x, y=y, y2="y2:Q"),
        gap.mark_text(
            align="left" if right else "right", dx=8 if right else -8, fontSize=13, fontWeight=600, color=ACCENT
        ).encode(x=x, y="height:Q", text="text:N"),
    ).properties(width=HALF, height=HALF)
    return inline_svg(
        chart,
        identifier="ks",
        title="Defaults and good ones by score",
        description=f"At the widest place, the riskiest {percent(at['x'])} of all hold {percent(at['y2'])} of the "
        f"defaults and {percent(at['y'])} of the good ones; KS is {figure(quality.ks)}.",
    )


def calibration(rows: Sequence[CalibrationRow]) -> Verbatim:
    """Predicted against occurred, with 95 % intervals."""
    values = []
    for row in rows:
        low, high = rate_interval(row.default_rate * row.enterprises, row.enterprises)
        values.append({"x": row.mean_prediction, "y": row.default_rate, "low": low, "high": high})
    top = min(1.0, 1.05 * max(max(value["x"], value["high"]) for value in values))
    scale = alt.Scale(domain=[0, top], nice=False)
    x = alt.X("x:Q", scale=scale, axis=alt.Axis(title="default rate predicted", format=".0%", tickCount=6))
    y = alt.Y("y:Q", scale=scale, axis=alt.Axis(title="default rate that came", format=".0%", tickCount=6))
    base = chart_of(values).encode(x=x)
    ideal = chart_of([{"x": 0, "y": 0}, {"x": top, "y": top}])
    chart = alt.layer(
        ideal.mark_line(color=MUTED, strokeDash=[3, 3], strokeWidth=1).encode(x=x, y=y),
        base.mark_rule(color=ACCENT, strokeWidth=1.5, opacity=0.55).encode(y=alt.Y("low:Q"), y2="high:Q"),
        base.mark_point(filled=True, size=70, color=ACCENT, opacity=1).encode(y=y),
    ).properties(width=WIDTH, height=340)
    told = "; ".join(f"{percent(row.mean_prediction)} predicted, {percent(row.default_rate)} came" for row in rows)
    return inline_svg(chart, identifier="calibration", title="Predicted and actual default rates", description=told)


def band_counts(bands: Sequence[ScoreBand]) -> Verbatim:
    """How many enterprises are in each score band."""
    rows = [{"band": band.low, "enterprises": band.enterprises, "label": count(band.enterprises)} for band in bands]
    x = _band_axis(None)
    y = alt.Y("enterprises:Q", axis=None)
    base = chart_of(rows).encode(x=x, y=y)
    chart = alt.layer(
        base.mark_bar(color=FAINT, cornerRadiusTopLeft=2, cornerRadiusTopRight=2),
        base.mark_text(dy=-8, fontSize=12, color=MUTED).encode(text="label:N"),
    ).properties(width=WIDTH, height=170)
    told = "; ".join(f"{band.low} to {band.high - 1}: {count(band.enterprises)}" for band in bands)
    return inline_svg(chart, identifier="bands", title="Enterprises in each score band", description=told)


def band_rates(bands: Sequence[ScoreBand]) -> Verbatim:
    """The default rate of each score band, with 95 % intervals."""
    rows = []
    for band in bands:
        if band.enterprises:
            low, high = rate_interval(band.defaults, band.enterprises)
            rate = band.default_rate
            rows.append({"band": band.low, "rate": rate, "low": low, "high": high, "label": f"{rate:.0%}"})
    every = [band.low for band in bands]
    x = _band_axis(f"score, in bands of {bands[0].high - bands[0].low} points: higher is safer", every)
    scale = alt.Scale(domain=[-0.04, 1.04], nice=False)
    base = chart_of(rows).encode(x=x)
    chart = alt.layer(
        base.mark_rule(color=WARM, strokeWidth=1.5, opacity=0.5).encode(
            y=alt.Y("low:Q", scale=scale, axis=None), y2="high:Q"
        ),
        base.mark_point(filled=True, size=60, color=WARM, opacity=1).encode(y=alt.Y("rate:Q", axis=None)),
        base.mark_text(dx=8, align="left", fontSize=12, color=WARM).encode(y="rate:Q", text="label:N"),
    ).properties(width=WIDTH, height=210)
    told = "; ".join(f"from {row['band']}: {row['label']}" for row in rows)
    return inline_svg(chart, identifier="rates", title="Default rate in each score band", description=told)


def _band_axis(title: str | None, every: Sequence[int] | None = None) -> Any:
    axis = alt.Axis(title=title, labelAngle=0, labels=title is not None, labelOverlap=True)
    return alt.X("band:O", axis=axis, scale=alt.Scale(domain=list(every) if every else alt.Undefined))
