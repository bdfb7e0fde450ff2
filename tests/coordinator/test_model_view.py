"""What the bureau's operator sees of a model before it is opened for scores."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from typer.testing import CliRunner

from coordinator.command import app
from coordinator.home import BureauHome
from coordinator.overview import registry
from crypto.documents import canonical_json
from crypto.errors import PeerError
from crypto.identifiers import ModelVersion, ParticipantId, Role
from crypto.identity import Identity, ParticipantDocument
from models.model_card import BlockSummary, ModelCard, QualitySummary, TrainingSummary
from models.points import PointsScale
from participants.model_store import model_version

TAX = ParticipantId("tax")
FINGERPRINT = "c0ffee" * 10 + "beef"
MANIFEST = canonical_json({"run_id": "first", "blocks": {TAX: {"fingerprint": FINGERPRINT}}})
VERSION = model_version(MANIFEST)
CARD = ModelCard(
    model_version=VERSION,
    created="2026-11-23",
    purpose="credit of small firms",
    blocks=(BlockSummary(participant_id=TAX, title="Tax", kind="binned", features=3, parameters=40),),
    banks=(ParticipantId("bank-a"),),
    training=TrainingSummary(
        rows=7000, held_out_rows=3000, base_rate=0.221, rounds=12, objective=3210.125, smoothness=10.0, ridge=6.0
    ),
    quality=QualitySummary(auc=0.7654, ks=0.41, gini=0.54, brier=0.13),
    scale=PointsScale(),
    limits=("Not for consumers.",),
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A bureau with one model that a run ended with."""
    directory = tmp_path / "bureau"
    made = BureauHome.create(
        directory, participant_id=ParticipantId("bureau"), role=Role.BUREAU, title="Bureau", address="https://b:1"
    )
    identity = Identity.generate()
    document = ParticipantDocument(participant_id=TAX, role=Role.DEPARTMENT, title="Tax", identity=identity.public)
    registry(made).propose(VERSION, MANIFEST, CARD.to_json(), {TAX: document.sign(identity)})
    return directory


def typed(home: Path, *arguments: str) -> str:
    done = CliRunner().invoke(app, [*arguments, "--home", str(home)], env={"COLUMNS": "200"})
    if done.exception is not None:
        raise done.exception
    return done.stdout


def test_a_model_is_shown_with_its_card_and_how_far_it_came(home: Path) -> None:
    before = json.loads(typed(home, "show", VERSION, "--json"))
    assert (before["state"], before["run"], before["approved"], before["blocks"]) == (
        "proposed",
        "first",
        None,
        {TAX: FINGERPRINT},
    )
    assert before["card"] == json.loads(json.dumps(asdict(CARD)))
    typed(home, "approve", VERSION)
    after = json.loads(typed(home, "show", VERSION, "--json"))
    assert (after["state"], after["approved_by"]) == ("approved", "operator")
    assert after["approved"].endswith("+00:00")


def test_people_read_the_same_in_a_few_lines(home: Path) -> None:
    text = typed(home, "show", VERSION)
    for part in ("proposed", "credit of small firms", "auc 0.7654", "tax: 3 features, 40 parameters", FINGERPRINT):
        assert part in text
    assert "Not for consumers." in text


def test_a_model_that_is_not_there_is_not_shown(home: Path) -> None:
    with pytest.raises(PeerError):
        typed(home, "show", ModelVersion("0" * 32))
