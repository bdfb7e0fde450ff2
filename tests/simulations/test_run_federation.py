"""The same pair of apps on both engines: in this process, and on Flower's own daemons over loopback."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from crypto.identifiers import ParticipantId
from simulations.command.choices import Engine
from simulations.comparison import PooledRun
from simulations.founding import FoundedFederation, found
from simulations.rehearsal import FinishedRun
from simulations.run_federation import plan_run, resume_federation, run_federation
from simulations.small_federation import SETTINGS, SmallFederation


def shape(value: Any) -> Any:
    """The names in a result, and of what kind its values are."""
    if isinstance(value, dict):
        return {name: shape(one) for name, one in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return float if isinstance(value, int | float) else type(value)


def test_the_bureaus_app_gives_what_its_conductor_gives_and_tells_the_news(finished: FinishedRun) -> None:
    news: list[dict[str, Any]] = []
    plan = plan_run(finished.federation, SETTINGS, purpose=finished.plan.purpose)
    result = run_federation(finished.federation, plan, news=news.append)
    assert shape(result) == shape(finished.result)
    assert [one["objective"] for one in result["rounds"]] == pytest.approx(finished.objectives, rel=1e-9)
    assert [one["round"] for one in news if "round" in one] == [1, 2, 3]
    assert [one["phase"] for one in news if "phase" in one] == [
        *("join", "alignment", "binning", "training", "evaluation", "scoring")
    ]
    again = resume_federation(finished.federation, plan.run_id)
    assert again["scores"] == result["scores"], "a run that ended can be finished again"


@pytest.fixture(scope="module")
def three_and_two(tmp_path_factory: pytest.TempPathFactory) -> FoundedFederation:
    return found(SmallFederation(departments=3).make(), tmp_path_factory.mktemp("flower"))


@pytest.mark.slow
def test_a_run_on_flowers_own_daemons(three_and_two: FoundedFederation) -> None:
    settings = replace(SETTINGS, maximum_rounds=2)
    here = run_federation(three_and_two, plan_run(three_and_two, settings, purpose="both engines"))
    plan = plan_run(three_and_two, settings, purpose="both engines")
    news: list[dict[str, Any]] = []
    there = run_federation(three_and_two, plan, engine=Engine.FLOWER, news=news.append)
    assert shape(there) == shape(here)
    assert [one["objective"] for one in there["rounds"]] == pytest.approx(
        [one["objective"] for one in here["rounds"]], rel=1e-9
    )
    assert [one["round"] for one in news if "round" in one] == [1, 2]
    assert there["scores"] == here["scores"]
    pooled = PooledRun(three_and_two, plan.run_id, rounds=2)
    bank = ParticipantId("bank-east")
    assert np.isfinite(pooled.search_of(bank).log_odds()).all()
