"""A small run's report: figures of simulated scores, and traffic made of real messages."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from crypto.identifiers import ParticipantId, Role
from models.enterprise_id import parse_enterprise_id
from models.histogram_metrics import ScoreHistogram, score_histogram
from models.metrics import roc_curve
from models.points import PointsScale
from models.wire.binning import BinRequest, BlockShape, MaskedWords
from models.wire.envelope import post
from models.wire.steps import Step
from models.wire.training import GradientReply, Products
from simulations.report.data import BankAlone, Comparison, Explanation, ReportData, Setting
from simulations.report.traffic import TrafficLog

ENTERPRISE = parse_enterprise_id("91509932MAFTTM0H8W")


def metrics(rng: np.random.Generator, rows: int) -> dict[str, Any]:
    """Metrics as a bank's evaluator writes them."""
    log_odds = rng.normal(-1.4, 1.0, rows)
    labels = (rng.random(rows) < 1 / (1 + np.exp(-log_odds))).astype(float)
    histogram = ScoreHistogram(score_histogram(labels, log_odds, np.ones(rows, dtype=bool)))
    roc = histogram.roc()
    at = np.unique(np.linspace(0, len(roc.false_positive_rate) - 1, 60).astype(int))
    return {
        "rows": rows,
        "defaults": int(labels.sum()),
        "auc": roc.auc,
        "ks": roc.ks,
        "gini": roc.gini,
        "brier": histogram.brier(),
        "roc": {
            "false_positive_rate": roc.false_positive_rate[at].tolist(),
            "true_positive_rate": roc.true_positive_rate[at].tolist(),
        },
        "calibration": [asdict(row) for row in histogram.calibration()],
        "score_bands": [asdict(band) for band in histogram.bands(PointsScale())],
    }


@pytest.fixture(scope="session")
def result() -> dict[str, Any]:
    """A run's result as the bureau writes it."""
    rng = np.random.default_rng(5)
    blocks = {
        "courts": {"features": 2, "parameters": 21, "spread_points": 4.25},
        "tax": {"features": 5, "parameters": 90, "spread_points": 21.5},
        "water": {"features": 3, "parameters": 40, "spread_points": 9.75},
        "bank-1": {"features": 2, "parameters": 17, "spread_points": 6.0},
        "bank-2": {"features": 2, "parameters": 17, "spread_points": 8.0},
    }
    rounds = [
        {
            "seconds": 1.5,
            "attempts": 1 + (number == 1),
            "objective": 1200.0 - 40 * number,
            "auc_held_out": 0.70 + 0.01 * number,
            "newton_steps": 2,
            "left_out": ["courts"] if number == 1 else [],
        }
        for number in range(3)
    ]
    return {
        "run_id": "run-7",
        "purpose": "A score for small firms",
        "manifest": "{}",
        "metrics": {
            "held_out": metrics(rng, 3000),
            "training": metrics(rng, 7000),
            "population_stability": 0.0123,
        },
        "blocks": blocks,
        "cohorts": {"bank-1": 6000, "bank-2": 4000},
        "rounds": rounds,
        "seconds": {"join": 0.5, "alignment": 3.25, "training": 4.5, "something-new": 1.0},
        "scores": {"bank-1": 1800, "bank-2": 1200},
    }


@pytest.fixture(scope="session")
def titles() -> dict[str, str]:
    """Titles in both languages."""
    return {
        "courts": "Courts 法院",
        "tax": "Tax bureau 税务局",
        "water": "Water and power 水电",
        "bank-1": "First Bank 第一银行",
        "bank-2": "Second Bank 第二银行",
    }


@pytest.fixture(scope="session")
def traffic_log() -> TrafficLog:
    """A few real messages between the bureau and three participants."""
    rng = np.random.default_rng(11)
    log = TrafficLog()
    ask = BinRequest(run_id="run-7").encode()
    for department in ("courts", "tax"):
        log("bureau", department, Step.BIN_DEPARTMENT, ask, len(ask) + 100)
        shape = BlockShape(parameters=21, entry_bits=0).encode()
        log(department, "bureau", Step.BIN_DEPARTMENT, shape, len(shape) + 100)
        products = Products(columns=21, ciphertexts=(rng.bytes(20_000),)).encode()
        reply = GradientReply(products=post({ParticipantId("bank-1"): products})).encode()
        log(department, "bureau", Step.GRADIENT, reply, len(reply) + 100)
    log("bureau", "bank-1", Step.BIN_BANK, ask, len(ask) + 100)
    words = MaskedWords(words=rng.bytes(8_000)).encode()
    log("bank-1", "bureau", Step.BIN_BANK, words, len(words) + 100)
    return log


@pytest.fixture(scope="session")
def comparisons() -> tuple[Comparison, ...]:
    """Models that the federated one is held against."""
    rng = np.random.default_rng(3)
    labels = (rng.random(500) < 0.3).astype(float)
    roc = roc_curve(labels, labels + rng.normal(0, 1.5, 500))
    return (
        Comparison(setting=Setting.ALONE, title="Tax bureau 税务局 alone", auc=0.6543, ks=0.2345, roc=roc),
        Comparison(setting=Setting.POOLED, title="The same model, pooled", auc=0.7801, ks=0.4007),
        Comparison(setting=Setting.TREES, title="Boosted trees, pooled", auc=0.8012, ks=0.4444, roc=roc),
    )


@pytest.fixture(scope="session")
def explanation() -> Explanation:
    """One enterprise's points."""
    return Explanation.from_log_odds(
        enterprise_id=ENTERPRISE,
        asked_by="First Bank 第一银行",
        intercept=-1.5,
        parts=[
            ("Tax bureau 税务局", Role.DEPARTMENT, 0.71),
            ("Courts 法院", Role.DEPARTMENT, -0.33),
            ("First Bank’s own features", Role.BANK, 0.0),
        ],
    )


@pytest.fixture(scope="session")
def make_data(
    result: dict[str, Any],
    titles: dict[str, str],
    comparisons: tuple[Comparison, ...],
    explanation: Explanation,
    traffic_log: TrafficLog,
) -> Callable[..., ReportData]:
    """Make a report's data, everything in it unless something else is given."""

    def make(changed_result: dict[str, Any] | None = None, **changes: Any) -> ReportData:
        values: dict[str, Any] = {
            "title": "A federation 联邦",
            "created": "1 June 2026",
            "model_version": "ab" * 16,
            "titles": titles,
            "comparisons": comparisons,
            "banks_alone": (
                BankAlone(title="First Bank", auc=0.61, ks=0.21, federated_auc=0.77, federated_ks=0.41, rows=1800),
                BankAlone(title="Second Bank", auc=0.59, ks=0.19),
            ),
            "max_abs_log_odds_difference": 0.00042,
            "explanation": explanation,
            "traffic": traffic_log.traffic(),
        }
        given = json.loads(json.dumps(changed_result or result))
        return ReportData.from_result(given, **(values | changes))

    return make


@pytest.fixture(scope="session")
def data(make_data: Callable[..., ReportData]) -> ReportData:
    """The whole report's data."""
    return make_data()
