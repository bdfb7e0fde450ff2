"""Charts of the model's parts, of one enterprise's points and of the run."""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, Final

import altair as alt

from simulations.report.data import Explanation, RoundRecord
from simulations.report.svg import ACCENT, FAINT, INK, LINE, MUTED, WARM, WIDTH, chart_of, inline_svg
from simulations.report.verbatim import Verbatim
from simulations.report.wording import duration, figure, shortened, signed

HALF: Final = 350
_ROW: Final = 40
_BAR: Final = 10
_LABEL_COLUMNS: Final = 76


def shares(spreads: Sequence[tuple[str, float]]) -> Verbatim:
    """By how many points each part of the model moves scores, the strongest first: (title, standard deviation)."""
    rows = [
        {"place": place, "title": shortened(title, _LABEL_COLUMNS), "value": value, "figure": f"{value:.1f} points"}
        for place, (title, value) in enumerate(spreads)
    ]
    return inline_svg(
        _bars(rows, ACCENT),
        identifier="shares",
        title="How far each participant’s records move scores",
        description="; ".join(f"{row['title']}: {row['figure']}" for row in rows) + ".",
    )


def seconds(phases: Sequence[tuple[str, float]]) -> Verbatim:
    """How long each phase took, in their order."""
    rows = [
        {"place": place, "title": title, "value": value, "figure": duration(value)}
        for place, (title, value) in enumerate(phases)
    ]
    return inline_svg(
        _bars(rows, FAINT, row=34),
        identifier="seconds",
        title="Time taken by each phase",
        description="; ".join(f"{row['title']}: {row['figure']}" for row in rows) + ".",
    )


def _bars(rows: Sequence[Mapping[str, Any]], colour: str, *, row: int = _ROW) -> Any:
    base = chart_of(rows).encode(y=alt.Y("place:O", axis=None, scale=alt.Scale(paddingInner=0, paddingOuter=0)))
    top = max(item["value"] for item in rows) or 1.0
    return alt.layer(
        base.mark_bar(color=colour, size=_BAR, yOffset=9, cornerRadius=2).encode(
            x=alt.X("value:Q", axis=None, scale=alt.Scale(domain=[0, top]))
        ),
        base.mark_text(align="left", dy=-8, fontSize=13, color=INK).encode(x=alt.value(0), text="title:N"),
        base.mark_text(align="right", dy=-8, fontSize=13, color=MUTED).encode(x=alt.value("width"), text="figure:N"),
    ).properties(width=WIDTH, height=row * len(rows))


def waterfall(explanation: Explanation) -> Verbatim:
    """From the points that everybody gets, part by part, to the score."""
    steps = [explanation.base_points, *(part.points for part in explanation.parts)]
    reached = list(accumulate(steps))
    room = max(20.0, 0.25 * (max(reached) - min(reached)))
    low, high = min(reached) - room, max(reached) + 0.1 * room
    rows = [_total("Everybody starts with", low, reached[0])]
    for part, start, end in zip(explanation.parts, reached, reached[1:], strict=False):
        rows.append(_step(part.title, start, end))
    rows.append(_total("Score", low, reached[-1]))
    rows = [row | {"place": place, "next": place + 1} for place, row in enumerate(rows)]
    y = alt.Y("place:O", axis=None, scale=alt.Scale(paddingInner=0, paddingOuter=0))
    axis = alt.Axis(title="points (the scale does not begin at 0)", format=".0f", tickCount=8, grid=False, ticks=True)
    scale = alt.Scale(domain=[low, high], nice=False, zero=False)
    x = alt.X("start:Q", scale=scale, axis=axis)
    tone = alt.Color("tone:N", scale=None)
    base = chart_of(rows).encode(y=y)
    chart = alt.layer(
        chart_of(rows[:-1])
        .mark_rule(color=FAINT, yOffset=9, y2Offset=9)
        .encode(x=alt.X("end:Q", scale=scale, axis=axis), y=y, y2="next:O"),
        base.mark_bar(size=_BAR, yOffset=9).encode(x=x, x2="end:Q", color=alt.Color("colour:N", scale=None)),
        base.mark_text(align="left", dy=-8, fontSize=13, color=INK).encode(x=alt.value(0), text="title:N"),
        base.mark_text(align="right", dy=-8, fontSize=13, fontWeight=600).encode(
            x=alt.value("width"), text="figure:N", color=tone
        ),
    ).properties(width=WIDTH, height=_ROW * len(rows) + 46)
    told = "; ".join(f"{row['title']}: {row['figure']}" for row in rows)
    return inline_svg(chart, identifier="waterfall", title="One enterprise’s score as a sum", description=told)


def _step(title: str, start: float, end: float) -> dict[str, Any]:
    tone = ACCENT if end > start else WARM if end < start else MUTED
    short = shortened(title, _LABEL_COLUMNS)
    return {"title": short, "start": start, "end": end, "figure": signed(end - start), "colour": tone, "tone": tone}


def _total(title: str, low: float, end: float) -> dict[str, Any]:
    return {"title": title, "start": low, "end": end, "figure": f"{end:.0f}", "colour": FAINT, "tone": INK}


def objective(rounds: Sequence[RoundRecord]) -> Verbatim:
    """The objective after each round."""
    points = [(number, record.objective) for number, record in enumerate(rounds, start=1)]
    told = "; ".join(f"round {number}: {value:,.1f}" for number, value in points)
    chart = _by_round(points, "objective: lower is better", ",.0f", MUTED)
    return inline_svg(chart, identifier="objective", title="The objective by round", description=told)


def auc_by_round(rounds: Sequence[RoundRecord]) -> Verbatim:
    """The AUC on the held-out rows after each round; empty if nothing was held out."""
    points = [
        (number, record.auc_held_out)
        for number, record in enumerate(rounds, start=1)
        if record.auc_held_out is not None
    ]
    if not points:
        return Verbatim("")
    told = "; ".join(f"round {number}: {figure(value)}" for number, value in points)
    chart = _by_round(points, "AUC: higher is better", ".3f", ACCENT)
    return inline_svg(chart, identifier="auc", title="The AUC by round", description=told)


def _by_round(points: Sequence[tuple[int, float]], title: str, form: str, colour: str) -> Any:
    values = [{"round": number, "value": value} for number, value in points]
    numbers = [number for number, _ in points]
    axis = alt.Axis(title="round", format="d", values=numbers, grid=False, labelOverlap=True)
    x = alt.X("round:Q", axis=axis, scale=alt.Scale(domain=[min(numbers) - 0.25, max(numbers) + 0.25], nice=False))
    y = alt.Y(
        "value:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title=title, format=form, tickCount=4, gridColor=LINE)
    )
    base = chart_of(values).encode(x=x, y=y)
    return alt.layer(
        base.mark_line(color=colour, strokeWidth=2), base.mark_point(filled=True, size=50, color=colour, opacity=1)
    ).properties(width=HALF, height=220)
