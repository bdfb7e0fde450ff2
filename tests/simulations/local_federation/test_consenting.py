"""Enterprises of a local federation type what an enterprise types, and each has a directory of its own."""

from __future__ import annotations

from pathlib import Path

from crypto.identifiers import EnterpriseId, ParticipantId, Role
from models.hosting.operation.settings import CONFIG_FILE
from models.wire.consent import Computation
from models.wire.consent_bundle import ConsentBundle
from participants.department.settings import DepartmentSettings
from participants.home import Home
from simulations.local_federation.consenting import WITH_REASONS, enterprises_of
from simulations.local_federation.operator import Operator
from simulations.local_log import PAGES

FIRM, OTHER = EnterpriseId("91509900MA0000007U"), EnterpriseId("91509900MA0000015N")
BANK, MARKET = ParticipantId("bank"), ParticipantId("market-regulation")
DEPARTMENTS = tuple(map(ParticipantId, ("court", "customs", "tax")))


def test_no_directory_of_an_enterprise_is_named_after_it(tmp_path: Path) -> None:
    made = enterprises_of({BANK: [FIRM], ParticipantId("other-bank"): [OTHER]}, tmp_path)
    assert [one.enterprise_id for several in made.values() for one in several] == [FIRM, OTHER]
    homes = [one.home for several in made.values() for one in several]
    assert len(set(homes)) == 2
    assert all(one not in str(home) for one in (FIRM, OTHER) for home in homes)


def test_an_enterprise_registers_at_a_desk_and_its_consent_verifies(tmp_path: Path) -> None:
    desk = Home.create(tmp_path / "desk", participant_id=MARKET, role=Role.DEPARTMENT, title="Market")
    (desk.directory / CONFIG_FILE).write_text(DepartmentSettings.sample(), encoding="utf-8")
    heard: list[str] = []
    ((enterprise,),) = enterprises_of({BANK: [FIRM]}, tmp_path, say=heard.append).values()
    enterprise.register(Operator(name=MARKET, role=Role.DEPARTMENT, home=desk.directory, say=heard.append))
    file = enterprise.consent(BANK, DEPARTMENTS, *WITH_REASONS)["file"]
    given = ConsentBundle.decode(Path(file).read_bytes()).verify({MARKET: (desk.identity().public,)}, PAGES)
    assert (given.enterprise_id, given.recipient, given.providers) == (FIRM, BANK, DEPARTMENTS)
    assert given.computation is Computation.SCORE_WITH_REASONS
    typed = ["enterprise register", "department register-passkey", "enterprise registered", "enterprise consent"]
    assert [" ".join(line.split()[1:3]) for line in heard] == typed
