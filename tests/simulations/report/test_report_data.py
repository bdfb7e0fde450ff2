"""What a report may be made of."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from crypto.identifiers import EnterpriseId, Role
from models.points import PointsScale
from simulations.report.data import Comparison, Explanation, PartPoints, ReportData, Setting, hidden_id
from simulations.report.errors import ReportRefused


def test_a_result_is_read_as_the_bureau_writes_it(data: ReportData, result: dict[str, Any]) -> None:
    assert data.held_out is not None
    assert data.held_out.auc == result["metrics"]["held_out"]["auc"]
    assert [holder.participant_id for holder in data.holders] == ["courts", "tax", "water", "bank-1", "bank-2"]
    assert [holder.rows for holder in data.having(Role.BANK)] == [6000, 4000]
    assert data.rounds[1].left_out == ("courts",)


def test_a_result_without_held_out_rows_has_no_quality(
    make_data: Callable[..., ReportData], result: dict[str, Any]
) -> None:
    assert make_data(result | {"metrics": {}}).held_out is None


@pytest.mark.parametrize("part", ["metrics", "blocks", "rounds", "cohorts", "run_id"])
def test_something_that_is_no_result_is_refused(
    make_data: Callable[..., ReportData], result: dict[str, Any], part: str
) -> None:
    with pytest.raises(ReportRefused):
        make_data({name: value for name, value in result.items() if name != part})
    with pytest.raises(ReportRefused):
        make_data(result | {part: 7} if part != "run_id" else {"metrics": {"held_out": 3}})


def test_the_points_of_an_enterprise_add_up_to_what_a_bank_computes() -> None:
    rng = np.random.default_rng(1)
    for _ in range(200):
        parts = rng.normal(0, 1, 6)
        explained = Explanation.from_log_odds(
            enterprise_id=EnterpriseId("91509932MAFTTM0H8W"),
            asked_by="a bank",
            intercept=-1.2,
            parts=[(f"part {index}", Role.DEPARTMENT, float(part)) for index, part in enumerate(parts)],
        )
        total = np.array([-1.2 + parts.sum()])
        assert abs(explained.score - PointsScale().points(total)[0]) <= 1
        assert explained.base_points + sum(part.points for part in explained.parts) == explained.score
        assert explained.probability_of_default == pytest.approx(float(1 / (1 + np.exp(-total[0]))))


def test_points_that_do_not_add_up_are_refused() -> None:
    part = PartPoints(title="Tax", role=Role.DEPARTMENT, points=3)
    with pytest.raises(ReportRefused):
        Explanation(
            enterprise="91…8W", asked_by="a bank", base_points=500, parts=(part,), score=504, probability_of_default=0.2
        )


def test_of_an_enterprise_id_two_characters_stay_at_either_end() -> None:
    assert hidden_id("91509932MAFTTM0H8W") == "91…8W"
    with pytest.raises(ReportRefused):
        hidden_id("91500")


def test_the_federated_figures_cannot_be_given_from_outside(make_data: Callable[..., ReportData]) -> None:
    boast = Comparison(setting=Setting.FEDERATED, title="Ours", auc=0.99)
    with pytest.raises(ReportRefused):
        make_data(comparisons=(boast,))
