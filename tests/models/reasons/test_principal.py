"""Principal reasons: at most four, the most points first, none below a point, with the departments of the manifest."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from crypto.identifiers import ParticipantId
from models.points import PointsScale
from models.reasons.families import packaged_families
from models.reasons.principal import MOST_REASONS, families_of_blocks, principal_reasons

A_POINT = 2**24 / PointsScale().factor
TAX, COURTS, WATER = ParticipantId("tax"), ParticipantId("courts"), ParticipantId("water")
FAMILIES_OF = {TAX: ("TX1", "TX2"), COURTS: ("CT1",), WATER: ("TX1", "UT1")}


def lost(**points: float) -> NDArray[np.int64]:
    vector = np.zeros(len(packaged_families()), np.int64)
    for code, number in points.items():
        vector[packaged_families().places[code]] = round(number * A_POINT)
    return vector


def test_a_reason_says_code_texts_departments_and_whole_points() -> None:
    (reason,) = principal_reasons(lost(TX1=11.6), FAMILIES_OF)
    assert (reason.code, reason.points_lost, reason.departments) == ("TX1", 12, (TAX, WATER))
    assert reason.en == "Tax declarations late or missing, or a low tax credit rating"
    assert reason.zh == "纳税申报逾期或缺失，或纳税信用等级较低"


def test_there_are_four_at_most_and_the_most_points_come_first() -> None:
    found = principal_reasons(lost(TX1=2, TX2=9, CT1=3, UT1=5, EN1=4), FAMILIES_OF)
    assert [(one.code, one.points_lost) for one in found] == [("TX2", 9), ("UT1", 5), ("EN1", 4), ("CT1", 3)]
    assert len(found) == MOST_REASONS
    assert found[2].departments == ()  # of a family that no block of the manifest has


def test_of_two_that_lost_the_same_the_one_that_the_list_has_first_comes_first() -> None:
    found = principal_reasons(lost(UT1=2, CT1=2, TX1=2), FAMILIES_OF)
    assert [one.code for one in found] == ["TX1", "CT1", "UT1"]


def test_less_than_a_point_is_no_reason() -> None:
    assert principal_reasons(lost(TX1=0.99), FAMILIES_OF) == ()
    assert [one.points_lost for one in principal_reasons(lost(TX1=1.001), FAMILIES_OF)] == [1]


def test_points_are_those_of_the_scale() -> None:
    scale = PointsScale(points_to_double_odds=40.0)
    assert [one.points_lost for one in principal_reasons(lost(TX1=3), FAMILIES_OF, scale=scale)] == [6]


@given(arrays(np.int64, len(packaged_families()), elements=st.integers(0, 2**36)), st.integers(0, 6))
def test_whatever_was_lost_reasons_are_few_and_in_order(vector: NDArray[np.int64], most: int) -> None:
    found = principal_reasons(vector, FAMILIES_OF, most=most)
    points = [one.points_lost for one in found]
    assert len(found) <= most
    assert points == sorted(points, reverse=True)
    assert min(points, default=1) >= 1


def test_families_are_read_from_the_manifest_and_one_of_an_earlier_release_has_none() -> None:
    blocks = {"tax": {"families": ["TX1", "TX2"]}, "courts": {"families": []}, "water": {"features": 3}}
    assert families_of_blocks({"blocks": blocks}) == {TAX: ("TX1", "TX2"), COURTS: (), WATER: ()}
