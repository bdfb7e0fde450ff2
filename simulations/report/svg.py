"""A chart as SVG that stands inside the page: no font, colour or request of its own, and a title and a description.

altair describes a chart, vl-convert draws it without a browser. Text stays text, in the reader's fonts, so Chinese
names need no font here. Colours are the page's custom properties (`var(--accent)`), so one drawing serves light, dark
and print. Whatever the drawing holds beyond a few known elements is refused.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from xml.etree import ElementTree as ET

import altair as alt
import vl_convert

from simulations.report.errors import ReportRefused
from simulations.report.verbatim import Verbatim
from simulations.report.wording import printable

WIDTH: Final = 720
INK: Final = "var(--ink)"
MUTED: Final = "var(--muted)"
LINE: Final = "var(--line)"
FAINT: Final = "var(--faint)"
ACCENT: Final = "var(--accent)"
WARM: Final = "var(--warm)"
PAPER: Final = "var(--paper)"

_KNOWN: Final = {"svg", "g", "path", "line", "rect", "text", "tspan", "defs", "clipPath"}
_DROPPED: Final = ("aria-", "role", "class", "pointer-events", "font-family", "version", "style")
_REFERENCE: Final = re.compile(r"url\(#([^)]*)\)")
_LONG_NUMBER: Final = re.compile(r"\d+\.\d{3,}(?:e-?\d+)?")


def chart_of(rows: Sequence[Mapping[str, Any]]) -> Any:
    """An altair chart of rows of plain values, to be given a mark and encodings."""
    return alt.Chart(alt.InlineData(values=list(rows)))


def inline_svg(chart: Any, *, identifier: str, title: str, description: str) -> Verbatim:
    """Draw an altair chart. `identifier` is unique on the page; `title` and `description` are for who cannot see it."""
    drawing = vl_convert.vegalite_to_svg(_configured(chart).to_dict())
    root = ET.fromstring(drawing)  # noqa: S314 - drawn here, a line above
    _tidy(root, identifier, {})
    width, height = root.attrib["width"], root.attrib["height"]
    root.attrib.clear()
    root.attrib.update(
        {
            "viewBox": f"0 0 {width} {height}",
            "width": width,
            "height": height,
            "role": "img",
            "aria-labelledby": f"{identifier}-title {identifier}-description",
        }
    )
    for name, text in (("description", description), ("title", title)):
        element = ET.Element("desc" if name == "description" else name, {"id": f"{identifier}-{name}"})
        element.text = printable(text)
        root.insert(0, element)
    return Verbatim(ET.tostring(root, encoding="unicode"))


def _tidy(element: ET.Element, identifier: str, names: dict[str, str]) -> None:
    """Strip an element and what is in it; ids are numbered anew, because the drawer counts them over all drawings."""
    element.tag = element.tag.rpartition("}")[2]
    if element.tag not in _KNOWN:
        raise ReportRefused(f"a chart holds an element that the page does not allow: {element.tag}")
    for name, value in list(element.attrib.items()):
        if name.startswith(_DROPPED):
            del element.attrib[name]
        elif name.startswith("{") or name.endswith("href"):
            raise ReportRefused("a chart refers to something outside of the page")
        elif name == "id":
            element.attrib[name] = _own(value, identifier, names)
        else:
            element.attrib[name] = _shorter(_REFERENCE.sub(lambda at: f"url(#{_own(at[1], identifier, names)})", value))
    for child in list(element):
        if child.attrib.get("display") == "none" or child.attrib.get("d") in {"", "M0,0h0v0h0Z"}:
            element.remove(child)
        else:
            _tidy(child, identifier, names)


def _own(name: str, identifier: str, names: dict[str, str]) -> str:
    return names.setdefault(name, f"{identifier}-part-{len(names) + 1}")


def _shorter(value: str) -> str:
    return _LONG_NUMBER.sub(lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), value)


def _configured(chart: Any) -> Any:
    return (
        chart.properties(autosize=alt.AutoSizeParams(type="fit", contains="padding"), background="transparent")
        .configure(padding=2, font="sans-serif")
        .configure_view(stroke=None)
        .configure_axis(
            domain=False,
            ticks=False,
            gridColor=LINE,
            labelColor=MUTED,
            labelFontSize=12,
            labelPadding=6,
            titleColor=MUTED,
            titleFontSize=12,
            titleFontWeight="normal",
            titlePadding=10,
        )
    )
