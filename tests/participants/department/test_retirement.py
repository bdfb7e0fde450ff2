"""A department takes its part of a model away: nobody is scored with it from the next request on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select
from typer.testing import CliRunner

from crypto.errors import PeerError, UntrustedKey
from crypto.identifiers import ModelVersion, ParticipantId
from models.wire.online import RelayedRequest
from participants.department.command import app
from participants.department.database import open_database
from participants.department.database.tables import answered, partial_tables, partials
from participants.department.errors import AnswersForgotten, UnknownModel
from participants.department.retirement import retire_model
from participants.department.scorer import Scorer
from participants.department.store import DepartmentStore
from participants.records.contract import Category, DataContract, Item, ItemType
from simulations.online import OnlineFederation
from simulations.online_rehearsal import OnlineRehearsal


@pytest.fixture
def department(rehearsal: OnlineRehearsal) -> ParticipantId:
    return rehearsal.drawn.departments[3]


@pytest.fixture
def asked(rehearsal: OnlineRehearsal, online: OnlineFederation, department: ParticipantId) -> RelayedRequest:
    enterprise = rehearsal.enterprise(rehearsal.unused())
    return rehearsal.relayed(online.ask(enterprise, rehearsal.offer()).request, department)


@pytest.fixture
def folder(rehearsal: OnlineRehearsal, department: ParticipantId) -> Iterator[Path]:
    """The folder of the department's model; put back after the test."""
    path = rehearsal.home(department).directory / "models" / rehearsal.drawn.version
    away = path.with_name(f"{path.name}.off")
    yield path
    if away.exists():
        away.rename(path)


def test_a_model_whose_folder_is_moved_away_is_asked_in_vain_also_of_a_running_node(
    rehearsal: OnlineRehearsal, online: OnlineFederation, department: ParticipantId, asked: RelayedRequest, folder: Path
) -> None:
    scorer, version = online.scorers[department], rehearsal.drawn.version
    scorer.answer(asked)
    rehearsal.fill()
    assert scorer.ready(version)
    folder.rename(folder.with_name(f"{version}.off"))
    with pytest.raises(UnknownModel):
        scorer.answer(asked)
    with pytest.raises(UnknownModel):
        scorer.ready(version)
    assert scorer.versions() == ()
    folder.with_name(f"{version}.off").rename(folder)
    scorer.answer(asked)


def test_an_answer_that_is_at_hand_is_not_given_to_a_bank_that_was_unpinned(
    rehearsal: OnlineRehearsal, online: OnlineFederation, department: ParticipantId, asked: RelayedRequest
) -> None:
    scorer, bank = online.scorers[department], rehearsal.home(rehearsal.bank)
    pins = rehearsal.home(department).pins
    answer = scorer.answer(asked)
    pins.unpin(rehearsal.bank)
    with pytest.raises(UntrustedKey):
        scorer.answer(asked)
    pins.pin(bank.document(), fingerprint=bank.identity().public.fingerprint())
    assert scorer.answer(asked) == answer


def test_a_department_without_the_partials_of_a_model_is_not_ready_for_it(
    rehearsal: OnlineRehearsal, online: OnlineFederation, department: ParticipantId
) -> None:
    version, database = rehearsal.drawn.version, open_database(rehearsal.home(department))
    rehearsal.fill()
    assert online.scorers[department].ready(version)
    with database.reading() as connection:
        row = connection.execute(select(partial_tables)).one()
    with database.begin() as connection:
        connection.execute(partial_tables.delete())
    with pytest.raises(AnswersForgotten):
        online.scorers[department].ready(version)
    with database.begin() as connection:
        connection.execute(partial_tables.insert().values(**row._mapping))
    assert online.scorers[department].ready(version)


def test_a_retired_model_leaves_nothing_but_the_sets_that_were_answered(tmp_path: Path) -> None:
    with OnlineRehearsal(tmp_path, enterprises=20) as own, own.online() as online:
        name, version = own.drawn.departments[0], own.drawn.version
        home, scorer = own.home(name), online.scorers[name]
        item = Item(name="late", title="Late filings", type=ItemType.NUMBER, feature=True)
        category = Category(name="filings", title="Filings", items=(item,))
        DepartmentStore.create(home.directory / "data", DataContract(holder=name, title="Tax", categories=(category,)))
        enterprise = own.enterprise(0)
        request = own.relayed(online.ask(enterprise, own.offer()).request, name)
        scorer.answer(request)
        for _ in range(2):
            typed = CliRunner().invoke(app, ["retire", version, "--home", str(home.directory)])
            assert (typed.exit_code, typed.output) == (0, f"{version} is retired here\n")
            refused(scorer, request)
        with open_database(home).reading() as connection:
            counts = [
                connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in (partial_tables, partials, answered)
            ]
        assert counts == [0, 0, 1]
        with pytest.raises(UnknownModel):
            retire_model(home, ModelVersion("0" * 32))
        with pytest.raises(PeerError):
            retire_model(home, ModelVersion("../runs"))


def refused(scorer: Scorer, request: RelayedRequest) -> None:
    with pytest.raises(UnknownModel):
        scorer.answer(request)
