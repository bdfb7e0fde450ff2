"""The department's own book of uses: what each request was for and where it is in the log, the newest first."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from crypto.errors import ProtocolStateError
from crypto.identifiers import ModelVersion, ParticipantId
from models.hosting.storage.database import Database
from models.wire.consent import Computation, Purpose
from participants.department.data_uses import DataUse, keep_use, latest_uses
from participants.department.database import open_database
from participants.department.score_checks import Asked
from simulations.online import OnlineFederation
from simulations.online_rehearsal import OnlineRehearsal

BANK, MODEL = ParticipantId("bank"), ModelVersion("0a" * 16)


def asked(connection: Any, number: int, *, at: float, tag: int | None = None) -> Asked:
    """What `keep_use` reads of a request."""
    statement = SimpleNamespace(
        purpose=Purpose.MONITORING,
        computation=Computation.SCORE,
        use_tag=bytes([number if tag is None else tag]) * 16,
        request_id=f"{number:032x}",
    )
    return cast(
        Asked,
        SimpleNamespace(
            statement=statement,
            record=SimpleNamespace(connection=connection),
            digest=bytes([number]) * 32,
            relayed=SimpleNamespace(index=number + 5),
            now=at,
            bank=BANK,
            model=SimpleNamespace(version=MODEL),
            question=SimpleNamespace(consent=b"c" * 32),
        ),
    )


def use(number: int, at: int) -> DataUse:
    return DataUse(
        used_at=at,
        bank=BANK,
        purpose=Purpose.MONITORING,
        computation=Computation.SCORE,
        model_version=MODEL,
        position=number + 5,
        request=bytes([number]) * 32,
        consent=b"c" * 32,
    )


def test_uses_are_listed_the_newest_first_and_the_same_request_counts_once(department_database: Database) -> None:
    with department_database.begin() as connection:
        for number, at in ((1, 10.0), (2, 30.9), (3, 20.0), (4, 20.0), (2, 99.0)):
            keep_use(asked(connection, number, at=at))
    assert latest_uses(department_database, 9) == [use(2, 30), use(4, 20), use(3, 20), use(1, 10)]
    assert latest_uses(department_database, 2) == [use(2, 30), use(4, 20)]
    assert latest_uses(department_database, 0) == []


def test_a_use_is_kept_with_the_answer_or_not_at_all(department_database: Database) -> None:
    def stopped() -> None:
        with department_database.begin() as connection:
            keep_use(asked(connection, 1, at=1))
            raise ProtocolStateError("stop here")

    with pytest.raises(ProtocolStateError):
        stopped()
    assert latest_uses(department_database, 9) == []


def test_a_score_is_a_use_at_each_department_of_the_set_and_names_no_enterprise(
    rehearsal: OnlineRehearsal, online: OnlineFederation
) -> None:
    enterprise = rehearsal.enterprise(rehearsal.unused())
    out = rehearsal.drawn.departments[-1]
    request = online.ask(enterprise, rehearsal.offer(out))
    online.answer(request)
    for name in rehearsal.drawn.departments:
        found = [one for one in latest_uses(open_database(rehearsal.home(name)), 99) if one.request == request.digest]
        assert len(found) == (name != out)
        for one in found:
            assert (one.bank, one.model_version) == (rehearsal.bank, rehearsal.drawn.version)
            assert one.purpose is Purpose.APPLICATION
            assert rehearsal.log.place_now(request.request.document, request.statement.use_tag).index == one.position
            assert enterprise not in repr(one)
