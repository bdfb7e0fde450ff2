"""The page: complete in itself, true to its data, and proof against what titles hold."""

import base64
import hashlib
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from models.wire.online import OnlineStep
from models.wire.steps import Step
from simulations.report import wording
from simulations.report.data import BankAlone, Comparison, ReportData, Setting
from simulations.report.errors import ReportRefused
from simulations.report.exchanges import TO_BANK, TO_BUREAU, TO_DEPARTMENT
from simulations.report.page import shares
from simulations.report.render import report_html, write_report
from simulations.report.traffic import TrafficLog

ENTERPRISE = "91509932MAFTTM0H8W"
SECTIONS = ["worth", "banks", "separation", "calibration", "bands", "shares", "enterprise", "rounds", "seen"]
VOID = {"meta", "br", "link", "img"}


class Outline(HTMLParser):
    """Tags, ids, attributes and text of a page; fails if tags do not close in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self._open.append(tag)
        for name, value in attrs:
            self.attributes.append((tag, name, value or ""))
            if name == "id":
                self.ids.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def page(data: ReportData) -> str:
    return report_html(data)


def test_the_page_asks_for_nothing_and_runs_nothing(page: str) -> None:
    outline = Outline(page)
    assert "://" not in page
    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "form", "a", "image", "use"} & set(
        outline.tags
    )
    names = {name for _, name, _ in outline.attributes}
    assert not {name for name in names if name.startswith("on") or name in {"style", "href", "src", "xlink:href"}}
    assert "url(" not in page.replace("url(#", "")
    assert "@import" not in page


def test_the_policy_allows_the_one_style_sheet_and_nothing_else(page: str) -> None:
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policies = [value for tag, name, value in Outline(page).attributes if tag == "meta" and "default-src" in value]
    assert policies == [f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"]


def test_every_section_is_there_and_every_id_once(page: str) -> None:
    ids = Outline(page).ids
    assert [name for name in ids if name in SECTIONS] == [
        "worth", "banks", "separation", "calibration", "bands", "shares", "enterprise", "rounds", "seen",
    ]  # fmt: skip
    assert len(ids) == len(set(ids))


def test_every_chart_has_a_title_and_a_description_and_a_table(page: str) -> None:
    outline = Outline(page)
    charts = [value for tag, name, value in outline.attributes if tag == "svg" and name == "aria-labelledby"]
    assert len(charts) == outline.tags.count("svg") == 12
    for labelled in charts:
        assert set(labelled.split()) <= set(outline.ids)
    for section in page.split("<section ")[1:]:
        assert "<table" in section


def test_figures_on_the_page_are_those_of_the_data(page: str, data: ReportData) -> None:
    text = Outline(page).text
    assert data.held_out is not None
    expected = [f"{data.held_out.auc:.4f}", f"{data.held_out.ks:.4f}", f"{data.held_out.auc * 100:.1f} times in 100"]
    expected += [f"{model.auc:.4f}" for model in data.comparisons]
    expected += [f"{model.ks:.4f}" for model in data.comparisons if model.ks is not None]
    expected += [f"{band.low} to {band.high - 1}" for band in data.held_out.bands]
    expected += [f"{row.default_rate:.1%}" for row in data.held_out.calibration]
    expected += [f"{holder.spread_points:.1f}" for holder in data.holders[:3]]
    expected += [f"{record.objective:,.1f}" for record in data.rounds]
    expected += ["0.00042", "0.012", "9.2 s", "1 June 2026", "run-7", "ab" * 16, "1,800"]
    assert [figure for figure in expected if figure not in text] == []


def test_the_waterfall_adds_up_in_the_table(page: str, data: ReportData) -> None:
    section = page[page.index('<section id="enterprise">') : page.index('<section id="rounds">')]
    cells = re.findall(r'<td class="number">([+−]?\d+)</td>', section)
    numbers = [int(cell.replace("−", "-")) for cell in cells]
    assert data.explanation is not None
    assert numbers[-1] == sum(numbers[:-1]) == data.explanation.score


def test_no_enterprise_id_is_on_the_page_in_full(page: str) -> None:
    assert ENTERPRISE not in page
    assert ENTERPRISE[2:8] not in page
    assert "91…8W" in page


def test_chinese_titles_are_text_in_charts(page: str) -> None:
    charts = "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))
    assert re.search(r"<text[^>]*>Tax bureau 税务局</text>", charts)
    assert "font-family" not in charts


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=y>&amp;{{7*7}}\u202e\x00\ud800]]>"


def test_hostile_titles_are_only_text(make_data: Callable[..., ReportData], result: dict[str, Any]) -> None:
    data = make_data(
        result | {"purpose": HOSTILE},
        title=HOSTILE,
        created=HOSTILE,
        titles=dict.fromkeys(result["blocks"], HOSTILE),
        comparisons=(Comparison(setting=Setting.ALONE, title=HOSTILE, auc=0.6, ks=0.2),),
        banks_alone=(BankAlone(title=HOSTILE, auc=0.6, ks=0.2, federated_auc=0.7),),
    )
    page = report_html(data)
    outline = Outline(page)
    assert not {"script", "img"} & set(outline.tags)
    assert not {name for _, name, _ in outline.attributes if name.startswith("on")}
    assert "{{7*7}}" in outline.text
    assert not {"\u202e", "\x00", "\ud800"} & set(page)
    page.encode("utf-8")


@pytest.mark.parametrize(
    ("changes", "gone"),
    [
        ({"banks_alone": ()}, ["banks"]),
        ({"explanation": None}, ["enterprise"]),
        ({"traffic": None}, ["seen"]),
    ],
)
def test_a_part_that_is_not_there_is_left_out(
    make_data: Callable[..., ReportData], changes: dict[str, Any], gone: list[str]
) -> None:
    ids = Outline(report_html(make_data(**changes))).ids
    assert [name for name in SECTIONS if name not in ids] == gone


def test_without_held_out_rows_nothing_is_said_of_quality(
    make_data: Callable[..., ReportData], result: dict[str, Any]
) -> None:
    rounds = [record | {"auc_held_out": None} for record in result["rounds"]]
    metrics = {"training": result["metrics"]["training"]}
    data = make_data(result | {"metrics": metrics, "rounds": rounds}, comparisons=(), banks_alone=())
    outline = Outline(report_html(data))
    assert [name for name in SECTIONS if name in outline.ids] == ["shares", "enterprise", "rounds", "seen"]
    assert "does not say how good the model is" in outline.text
    assert "times in 100" not in outline.text
    assert "auc-title" not in outline.ids


def test_without_comparisons_the_headline_claims_no_gain(make_data: Callable[..., ReportData]) -> None:
    text = Outline(report_html(make_data(comparisons=()))).text
    assert "beyond the best alone" not in text
    assert "XGBoost" not in text
    assert "Together beats alone" not in text
    assert "Keeping the records apart" not in text


def test_a_model_that_is_no_better_is_not_praised(make_data: Callable[..., ReportData]) -> None:
    better = (Comparison(setting=Setting.ALONE, title="Tax alone", auc=0.95),)
    text = Outline(report_html(make_data(comparisons=better))).text
    assert "no better than the best of them alone: 95.0" in text
    assert "Together beats alone" not in text


def test_banks_without_features_are_no_part_of_the_model(
    make_data: Callable[..., ReportData], result: dict[str, Any]
) -> None:
    none = {"features": 0, "parameters": 0, "spread_points": 0.0}
    data = make_data(result | {"blocks": result["blocks"] | {"bank-1": none, "bank-2": none}})
    assert [part.title for part in shares(data)] == ["Tax bureau 税务局", "Water and power 水电", "Courts 法院"]


def test_the_banks_common_block_is_one_part(data: ReportData) -> None:
    (banks,) = [part for part in shares(data) if "banks" in part.title]
    assert banks.spread_points == pytest.approx((0.6 * 36 + 0.4 * 64) ** 0.5)


def test_what_each_party_saw_is_what_was_recorded(page: str, data: ReportData) -> None:
    section = page[page.index('<section id="seen">') :]
    assert data.traffic is not None
    text = Outline(f"<div><section {section.split('<section ', 1)[1].split('</main>')[0]}</div>").text
    assert f"{data.traffic.messages} messages, {wording.size(data.traffic.serialised_bytes)}" in text
    assert TO_BUREAU[Step.GRADIENT].holds in text
    assert TO_DEPARTMENT[Step.BIN_DEPARTMENT].holds in text
    assert TO_BANK[Step.BIN_BANK].holds in text
    assert TO_BUREAU[Step.CONCLUDE].holds not in text  # never sent in this run
    assert "found no enterprise id" in text


def test_a_kind_that_is_not_described_is_shown_as_such(make_data: Callable[..., ReportData]) -> None:
    log = TrafficLog()
    log("tax", "bureau", "surprise", b"?", 1)
    text = Outline(report_html(make_data(traffic=log.traffic()))).text
    assert "surprise" in text
    assert "Not described." in text


def test_every_step_is_described_to_whom_it_reaches() -> None:
    assert set(TO_BUREAU) == {*Step, *OnlineStep}
    assert set(TO_DEPARTMENT) | set(TO_BANK) == {*Step, *OnlineStep}


def test_a_report_is_written_whole_or_not_at_all(data: ReportData, page: str, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("before")
    for unusable in (tmp_path, tmp_path / "nowhere" / "report.html"):
        with pytest.raises(ReportRefused):
            write_report(data, unusable)
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]
    write_report(data, path)
    assert path.read_text(encoding="utf-8") == page
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]
