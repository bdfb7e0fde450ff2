"""Runs that do not start, and participants that break the rules while one is under way."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flwr.clientapp import ClientApp

from coordinator.errors import ApprovalsMissing, ParticipantRefused
from coordinator.runs import setup
from crypto.errors import PeerError
from crypto.identifiers import ParticipantId
from models.wire.plan import RunPlan
from models.wire.setup import JoinRequest
from models.wire.steps import Step
from models.wire.training import Products
from participants.department.trainer import DepartmentTrainer
from participants.flower.client_app import client_app
from participants.home import Home
from participants.node import Node
from participants.runs.approval_policy import POLICY_FILE
from participants.runs.approvals import Approvals
from simulations.engines.local_grid import LocalGrid
from simulations.founding import FoundedFederation, found
from simulations.rehearsal import rehearse
from simulations.run_federation import plan_run
from simulations.small_federation import SETTINGS, SmallFederation

TAX = ParticipantId("tax")


def another_plan_for(name: ParticipantId) -> ClientApp:
    """Participants of whom one is told another ridge than the others."""

    class Misled:
        def __init__(self, home: Path) -> None:
            self._home = home

        def handle(self, kind: str, body: bytes) -> bytes:
            if kind == Step.JOIN and self._home.name == name:
                plan = replace(RunPlan.decode(JoinRequest.decode(body).plan), ridge=1.0)
                body = JoinRequest(plan=plan.encode()).encode()
            return Node.open(self._home).handle(kind, body)

    return client_app(Misled)


def test_banks_with_different_features_do_not_train_together(tmp_path: Path) -> None:
    data, other = SmallFederation(departments=3).make(), SmallFederation(departments=3, bank_features=False).make()
    federation = found(replace(data, banks=(data.banks[0], other.banks[1])), tmp_path)
    with pytest.raises(PeerError, match="same features"):
        rehearse(federation, plan_run(federation, SETTINGS, purpose="other features"))


@pytest.mark.parametrize("name", ["tax", "bank-north"])
def test_a_participant_with_another_plan_understands_nobody(federation: FoundedFederation, name: str) -> None:
    plan, seen = plan_run(federation, SETTINGS, purpose="two plans"), list[str]()
    with pytest.raises(ParticipantRefused, match="refused: PeerError"):
        rehearse(
            federation,
            plan,
            client_app=another_plan_for(ParticipantId(name)),
            recorder=lambda _s, _r, kind, _p, _n: seen.append(kind),
        )
    assert Step.TAKE_COHORT not in seen


def test_a_department_gets_no_more_inner_products_than_it_declared(
    federation: FoundedFederation, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = DepartmentTrainer._multiply

    def greedy(self: DepartmentTrainer, *arguments: Any) -> Any:
        products, mask = honest(self, *arguments)
        if self._run.me == TAX:
            products = Products(columns=products.columns + 100, ciphertexts=products.ciphertexts * 100)
        return products, mask

    monkeypatch.setattr(DepartmentTrainer, "_multiply", greedy)
    with pytest.raises(ParticipantRefused, match=r"bank-\w+ refused: PeerError"):
        rehearse(federation, plan_run(federation, SETTINGS, purpose="greed"))


def test_a_bank_without_a_single_default_is_told_so_before_training(tmp_path: Path) -> None:
    data = SmallFederation(departments=3, banks=1, borrowers_per_bank=900).make()
    frame = data.banks[0].table
    good = frame.with_columns(default=frame["default"] * 0)
    federation = found(replace(data, banks=(replace(data.banks[0], table=good),)), tmp_path)
    with pytest.raises(ParticipantRefused, match="bank-east refused: InvalidModelInput"):
        rehearse(federation, plan_run(federation, SETTINGS, purpose="no defaults"))


def test_linear_blocks_are_not_made_of_categories(federation: FoundedFederation) -> None:
    plan = plan_run(federation, replace(SETTINGS, block="linear"), purpose="linear")
    with pytest.raises(ParticipantRefused, match=r"\w+ refused: InvalidModelInput"):
        rehearse(federation, plan)


@pytest.fixture
def undecided(tmp_path: Path) -> FoundedFederation:
    """A federation of which one department has no policy."""
    federation = found(SmallFederation(departments=3).make(), tmp_path)
    (federation.homes[ParticipantId("land")] / POLICY_FILE).unlink()
    return federation


class Operator:
    """Decides as soon as the bureau says that it waits."""

    def __init__(self, federation: FoundedFederation, decide: Callable[[Approvals, str], None]) -> None:
        self._home = federation.homes[ParticipantId("land")]
        self._decide = decide
        self.news: list[list[str]] = []

    def watch(self, _grid: LocalGrid, news: dict[str, Any]) -> None:
        if "pending" in news:
            self.news.append(news["pending"])
            if news["pending"]:
                with closing(Approvals.open(Home.open(self._home))) as approvals:
                    self._decide(approvals, approvals.pending()[0].run_id)


def waiting(federation: FoundedFederation, operator: Operator, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(setup, "PAUSE_SECONDS", 0.05)
    plan = plan_run(federation, SETTINGS, purpose="waits")
    return rehearse(federation, plan, watch=operator.watch, approval_seconds=30.0)


def test_the_bureau_waits_until_everybody_has_approved(
    undecided: FoundedFederation, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = Operator(undecided, lambda approvals, run: approvals.approve(run, by="Ms Liu"))
    assert len(waiting(undecided, operator, monkeypatch)["rounds"]) == 3
    assert operator.news == [["land"], []]


def test_a_refusal_ends_the_run_at_once(undecided: FoundedFederation, monkeypatch: pytest.MonkeyPatch) -> None:
    operator = Operator(undecided, lambda approvals, run: approvals.refuse(run, by="Ms Liu", reason="no"))
    with pytest.raises(ParticipantRefused, match="land refused: RunRefused"):
        waiting(undecided, operator, monkeypatch)


def test_a_run_that_nobody_decides_on_ends_at_the_deadline(undecided: FoundedFederation) -> None:
    with pytest.raises(ApprovalsMissing, match="land"):
        rehearse(undecided, plan_run(undecided, SETTINGS, purpose="in vain"))
