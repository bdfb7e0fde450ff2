"""A department may want more departments in a sum than the three without which nothing is hidden; never fewer."""

from pathlib import Path

import pytest

from crypto.errors import ProtectionUnavailable
from crypto.identifiers import ParticipantId
from models.hosting.errors import SettingsRefused
from models.hosting.operation.settings import CONFIG_FILE
from participants.department.scorer import Scorer
from participants.department.settings import DepartmentSettings, require_scores_of_many, smallest_set
from participants.home import Home
from simulations.local_log import EVIDENCE
from simulations.online import OnlineFederation
from simulations.online_rehearsal import OnlineRehearsal


def scorer_of(rehearsal: OnlineRehearsal, home: Home, minimum: int) -> Scorer:
    return Scorer(home, clock=rehearsal.clock, evidence=EVIDENCE, new_pool=rehearsal.pool, minimum_departments=minimum)


@pytest.fixture
def department(rehearsal: OnlineRehearsal) -> ParticipantId:
    return rehearsal.drawn.departments[0]


def test_a_set_below_three_cannot_be_set(tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).write_text("minimum_departments = 2\n")
    with pytest.raises(SettingsRefused, match="minimum_departments"):
        DepartmentSettings.read(tmp_path)


def test_a_batch_is_held_to_what_the_home_says_and_to_three_without(tmp_path: Path) -> None:
    assert smallest_set(tmp_path) == 3
    (tmp_path / CONFIG_FILE).write_text("minimum_departments = 5\n")
    assert smallest_set(tmp_path) == 5


def test_a_node_scores_no_lists_unless_its_operator_says_so(tmp_path: Path) -> None:
    require_scores_of_many(tmp_path)  # a home without settings is a simulation's
    (tmp_path / CONFIG_FILE).write_text("minimum_departments = 3\n")
    with pytest.raises(ProtectionUnavailable, match="scores no lists"):
        require_scores_of_many(tmp_path)
    (tmp_path / CONFIG_FILE).write_text("scores_of_many = true\n")
    require_scores_of_many(tmp_path)


@pytest.mark.parametrize(("minimum", "answered"), [(0, True), (3, True), (4, False)])
def test_a_score_over_fewer_departments_than_are_set_is_refused(
    minimum: int, answered: bool, rehearsal: OnlineRehearsal, online: OnlineFederation, department: ParticipantId
) -> None:
    offer = rehearsal.offer(rehearsal.drawn.departments[-1])
    request = online.ask(rehearsal.enterprise(rehearsal.unused()), offer).request
    relayed = rehearsal.relayed(request, department)
    home = rehearsal.home(department)
    with scorer_of(rehearsal, home, minimum) as scorer:
        if answered:
            scorer.answer(relayed)
            return
        with pytest.raises(ProtectionUnavailable, match="over 3 departments hides too little"):
            scorer.answer(relayed)


def test_a_department_is_not_ready_for_a_model_that_has_too_few(
    rehearsal: OnlineRehearsal, department: ParticipantId
) -> None:
    home = rehearsal.home(department)
    rehearsal.fill()
    for minimum in (4, 5):
        with scorer_of(rehearsal, home, minimum) as scorer:
            if minimum == 4:
                assert scorer.ready(rehearsal.drawn.version)
            else:
                with pytest.raises(ProtectionUnavailable):
                    scorer.ready(rehearsal.drawn.version)
