"""A list asks for scores by the model of its own run: banks of another run are not banks of this model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from crypto.errors import PeerError
from crypto.identifiers import RunId
from crypto.labels import Label
from models.wire.scoring import EnterpriseList, PartialsRequest
from models.wire.steps import Step
from participants.department.partials import PartialsGiver, batch_turn
from participants.home import Home
from participants.runs.ledger import FileLedger
from participants.runs.run import Run
from participants.workers import shared_workers
from simulations.online_rehearsal import OnlineRehearsal


def test_a_bank_of_one_run_gets_no_partials_by_the_model_of_another(rehearsal: OnlineRehearsal, tmp_path: Path) -> None:
    name, drawn = rehearsal.drawn.departments[0], rehearsal.drawn
    shutil.copytree(drawn.homes[name], tmp_path / name)
    facts = tmp_path / name / "models" / drawn.version / "facts.json"
    facts.write_text(json.dumps(json.loads(facts.read_text()) | {"run_id": "another"}))
    home, asking = Home.open(tmp_path / name), rehearsal.home(rehearsal.bank)
    bank = Run(asking, asking.identity(), FileLedger(tmp_path / "ledger"), RunId("drawn"))
    ids = (rehearsal.enterprise(rehearsal.unused()),)
    turn = batch_turn("drawn", 1, drawn.departments, rehearsal.bank)
    body = EnterpriseList(model_version=drawn.version, enterprise_ids=ids).encode()
    request = PartialsRequest(
        run_id="drawn",
        batch=1,
        bank=rehearsal.bank,
        departments=drawn.departments,
        list=bank.say_sealed(Step.ASK_SCORES, turn, body, to=name, label=Label.SEALED_REQUEST),
    )
    run = Run(home, home.identity(), FileLedger(tmp_path / name / "ledger"), RunId("drawn"))
    with pytest.raises(PeerError, match="another run"):
        PartialsGiver(run, shared_workers()).give(request)
