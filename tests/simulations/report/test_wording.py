"""Numbers and names as they are printed."""

import pytest

from simulations.report import wording


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (123_456_789, "123 MB"), (2.5e12, "2,500 GB")]
)
def test_sizes_have_a_unit(value: float, text: str) -> None:
    assert wording.size(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.25, "0.2 s"), (59.94, "59.9 s"), (59.97, "1 min 0 s"), (92, "1 min 32 s")]
)
def test_times_have_a_unit(seconds: float, text: str) -> None:
    assert wording.duration(seconds) == text


def test_points_have_a_true_sign() -> None:
    assert [wording.signed(points) for points in (7, 0, -7)] == ["+7", "0", "−7"]


def test_a_share_is_never_rounded_to_all_or_nothing() -> None:
    assert wording.share_of_bytes(0.999999) == "99.99%"
    assert wording.share_of_bytes(0.000001) == "0.01%"
    assert (wording.share_of_bytes(1.0), wording.share_of_bytes(0.0)) == ("100.00%", "0.00%")


def test_long_titles_are_cut_by_their_width() -> None:
    assert wording.shortened("市场监督管理局", 14) == "市场监督管理局"
    assert wording.shortened("市场监督管理局", 9) == "市场监督…"
    assert wording.shortened("Market", 4) == "Mar…"


def test_marks_that_turn_the_direction_of_writing_are_taken_out() -> None:
    assert wording.printable("a\u202eb\x00c\ud800d") == "a b c d"
