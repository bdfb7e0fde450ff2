"""The demonstration: found a federation, train, ask for a score, compare, and write the report.

<directory>/
  report.html          what the collaboration was worth, for a head of department
  model-card.md .json  the model in public
  result.json          the bureau's result and the comparison
  homes/               every participant's home, private keys included: for looking around
  files/               the tables that the participants imported
  bureau/              the bureau's checkpoint
  bureau-home/         the bureau's home, with its log
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from crypto.identifiers import EnterpriseId, ModelVersion, ParticipantId, Role
from participants.bank.book import BankBook
from participants.bank.score_request import Score
from participants.bank.scores import OwnPart, signed_partials
from participants.department.partials import partial_table
from participants.home import Home
from participants.model_store import ModelStore, model_version
from simulations.cards import model_card
from simulations.command.choices import Engine
from simulations.comparison import PooledRun, Quality
from simulations.errors import OutputRefused
from simulations.federation_data import FederationData
from simulations.founding import FoundedFederation, found, reopen
from simulations.online import score_one
from simulations.report.data import BankAlone, Comparison, Explanation, ReportData, Setting
from simulations.report.render import write_report
from simulations.report.traffic import TrafficLog
from simulations.run_federation import Hyperparameters, News, plan_run, resume_federation, run_federation

REPORT: Final = "report.html"
SEED: Final = 42


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstration:
    """What came of it."""

    result: dict[str, Any]
    version: ModelVersion
    bank: ParticipantId
    score: Score
    explanation: Explanation


def demonstrate(
    data: FederationData,
    settings: Hyperparameters,
    directory: Path,
    *,
    engine: Engine,
    news: News,
    say: Callable[[str], None],
) -> Demonstration:
    """Play the whole story in `directory`, which is empty but for its marker."""
    say("founding the federation")
    federation = found(data, directory)
    plan = plan_run(federation, settings, purpose=f"Demonstration: {data.title}")
    log = TrafficLog()
    result = run_federation(federation, plan, engine=engine, recorder=log, news=news)
    # Flower's own daemons show nobody their traffic; that of one online score alone would be no answer.
    return _ask_and_report(federation, result, log if engine is Engine.LOCAL else None, say=say)


def demonstrate_again(directory: Path, *, engine: Engine, news: News, say: Callable[[str], None]) -> Demonstration:
    """Take up a demonstration that was stopped in training; raises `OutputRefused` if there is none in `directory`."""
    runs = sorted((directory / "bureau").glob("*/checkpoint"), key=lambda path: path.stat().st_mtime)
    if not runs:
        raise OutputRefused(f"no run in {directory} came to its first round", advice="start a new one without --resume")
    federation = reopen(directory)
    result = resume_federation(federation, runs[-1].parent.name, engine=engine, news=news)
    return _ask_and_report(federation, result, None, say=say)


def _ask_and_report(
    federation: FoundedFederation,
    result: dict[str, Any],
    log: TrafficLog | None,
    *,
    say: Callable[[str], None],
) -> Demonstration:
    """The second half of the story: one score, the comparison, the report."""
    version = model_version(result["manifest"].encode())
    bank, applicant = _applicant(federation, version)
    say("one bank asks for a score")
    score = score_one(federation.homes, federation.bureau, bank, applicant, version, recorder=log)
    explanation = _explain(federation, bank, applicant, version)
    say("pooling for comparison")
    pooled = PooledRun(federation, result["run_id"], rounds=len(result["rounds"]))
    comparisons, difference = _compare(pooled, federation)
    created = dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
    report = ReportData.from_result(
        result,
        title=federation.title,
        created=created,
        model_version=version,
        titles={str(name): text for name, text in federation.titles.items()},
        comparisons=comparisons,
        banks_alone=_banks_alone(pooled, federation),
        max_abs_log_odds_difference=difference,
        explanation=explanation,
        traffic=log.traffic() if log else None,
    )
    directory = federation.directory
    write_report(report, directory / REPORT)
    card = model_card(pooled.plan, result, version=version, titles=federation.titles, created=created)
    (directory / "model-card.md").write_text(card.to_markdown(), encoding="utf-8")
    (directory / "model-card.json").write_text(card.to_json(), encoding="utf-8")
    (directory / "result.json").write_text(json.dumps(_public(result, comparisons, difference), indent=1), "utf-8")
    return Demonstration(result=result, version=version, bank=bank, score=score, explanation=explanation)


def _applicant(federation: FoundedFederation, version: ModelVersion) -> tuple[ParticipantId, EnterpriseId]:
    """A bank that was trained with, and one of its enterprises that was not trained on."""
    for bank in federation.banks:
        store = ModelStore(federation.homes[bank] / "models", version)
        if store.exists:
            rows = BankBook(federation.homes[bank] / "data").rows()
            waiting = np.flatnonzero((rows.weight == 0) | rows.holdout)
            if len(waiting):
                return bank, rows.enterprise_ids[int(waiting[len(waiting) // 2])]
    raise OutputRefused("no bank has anybody to ask about")


def _explain(
    federation: FoundedFederation, bank: ParticipantId, applicant: EnterpriseId, version: ModelVersion
) -> Explanation:
    """The points of each participant: opened here because one person plays all of them."""
    parts = []
    for department in federation.departments:
        words = partial_table(Home.open(federation.homes[department]), version).words((applicant,))
        parts.append((federation.titles[department], Role.DEPARTMENT, float(signed_partials(words)[0])))
    model = ModelStore(federation.homes[bank] / "models", version)
    intercept = float(model.facts()["intercept"])
    own = float(OwnPart(model).log_odds(BankBook(federation.homes[bank] / "data"), [applicant])[0]) - intercept
    if model.block():
        parts.append((federation.titles[bank], Role.BANK, own))
    return Explanation.from_log_odds(
        enterprise_id=applicant, asked_by=federation.titles[bank], intercept=intercept, parts=parts
    )


def _compare(pooled: PooledRun, federation: FoundedFederation) -> tuple[tuple[Comparison, ...], float]:
    """What else could have been done with these records, and how far the same model pooled is from ours."""
    optimum = pooled.optimum()
    same_model = optimum.log_odds([design.columns for design in pooled.designs.values()])
    titles = federation.titles | {ParticipantId("banks"): "Banks' own features 银行自有数据"}
    comparisons = [_comparison(Setting.POOLED, "The same model, pooled in the clear", pooled.quality(same_model))]
    alone = {name: pooled.quality(log_odds) for name, log_odds in pooled.alone().items()}
    best = max(alone, key=lambda name: alone[name].auc)
    for name, quality in alone.items():
        comparisons.append(_comparison(Setting.ALONE, titles[name], quality, draw=name == best))
    try:
        trees = pooled.quality(pooled.xgboost(seed=SEED))
        comparisons.append(_comparison(Setting.TREES, "Boosted trees, pooled in the clear", trees, draw=True))
    except ModuleNotFoundError:
        pass  # the optional reference is not installed, and the report goes without it
    return tuple(comparisons), float(np.abs(pooled.federated_log_odds - same_model).max())


def _comparison(setting: Setting, title: str, quality: Quality, *, draw: bool = False) -> Comparison:
    roc = quality.roc if draw else None
    return Comparison(setting=setting, title=title, auc=quality.auc, ks=quality.ks, roc=roc)


def _banks_alone(pooled: PooledRun, federation: FoundedFederation) -> tuple[BankAlone, ...]:
    return tuple(
        BankAlone(
            title=federation.titles[bank],
            auc=own.auc,
            ks=own.ks,
            federated_auc=federated.auc,
            federated_ks=federated.ks,
        )
        for bank, (own, federated) in pooled.banks_alone().items()
    )


def _public(result: dict[str, Any], comparisons: tuple[Comparison, ...], difference: float) -> dict[str, Any]:
    figures = [{"setting": one.setting, "title": one.title, "auc": one.auc, "ks": one.ks} for one in comparisons]
    return result | {"comparisons": figures, "max_abs_log_odds_difference": difference}
