"""Model cards survive JSON, read well as Markdown, and refuse what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.identifiers import ModelVersion, ParticipantId
from models.errors import InvalidModelInput
from models.histogram_metrics import ScoreBand
from models.metrics import CalibrationRow
from models.model_card import BlockSummary, ModelCard, QualitySummary, TrainingSummary
from models.points import PointsScale


def made_card() -> ModelCard:
    return ModelCard(
        model_version=ModelVersion("2025-01"),
        created="2025-01-31",
        purpose="Risk of default of small enterprises | within a year.",
        blocks=(
            BlockSummary(
                participant_id=ParticipantId("tax"),
                title="税务 | Tax",
                kind="binned",
                features=3,
                parameters=40,
                fingerprint="0123456789abcdef" * 4,
            ),
        ),
        banks=(ParticipantId("bank-one"), ParticipantId("bank-two")),
        training=TrainingSummary(
            rows=7000, held_out_rows=3000, base_rate=0.221, rounds=12, objective=3210.125, smoothness=10.0, ridge=6.0
        ),
        quality=QualitySummary(
            auc=0.77,
            ks=0.41,
            gini=0.54,
            brier=0.13,
            calibration=(CalibrationRow(enterprises=300.0, mean_prediction=0.02, default_rate=0.03),),
            bands=(
                ScoreBand(low=580, high=600, enterprises=20, defaults=3),
                ScoreBand(low=600, high=620, enterprises=0, defaults=0),
            ),
        ),
        scale=PointsScale(),
        limits=("Not for consumers.",),
        software={"yurong": "0.1.0"},
    )


def test_a_card_comes_back_from_json() -> None:
    assert ModelCard.from_json(made_card().to_json()) == made_card()


def test_a_card_reads_as_markdown() -> None:
    text = made_card().to_markdown()
    for part in (
        "# Model 2025-01",
        "7,000 enterprises of 2 banks",
        "| 税务 \\| Tax | tax | binned | 3 | 40 | 0123456789abcdef |",
        "| 0.7700 | 0.4100 | 0.5400 | 0.1300 |",
        "| 580 to 599 | 20 | 15.00% |",
        "| 600 to 619 | 0 |  |",
        "- Not for consumers.",
        "yurong 0.1.0",
    ):
        assert part in text


@given(text=st.text(max_size=60))
def test_text_that_is_no_card_gives_our_error(text: str) -> None:
    with pytest.raises(InvalidModelInput):
        ModelCard.from_json(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"card_version": 1', '"card_version": 2'),
        ('"rounds": 12', '"rounds": "12"'),
        ('"auc": 0.77', '"auc": "good"'),
        ('"limits": [', '"more": 1,\n  "limits": ['),
        ('"points_to_double_odds": 20.0', '"points_to_double_odds": 0.0'),
    ],
)
def test_a_card_that_was_changed_by_hand_is_refused(old: str, new: str) -> None:
    text = made_card().to_json()
    assert old in text
    with pytest.raises(InvalidModelInput):
        ModelCard.from_json(text.replace(old, new))
