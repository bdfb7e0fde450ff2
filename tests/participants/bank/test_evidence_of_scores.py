"""A bank types what an enterprise gave it, against nodes that run: consent, score, reasons, receipt, revocation."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from crypto.identifiers import EnterpriseId
from models.hosting.operation.settings import CONFIG_FILE
from models.log.key_file import parse_keys
from models.log.receipts import prove
from models.reasons.principal import principal_reasons
from models.wire.consent import Computation, Purpose, ReasonsOpenedBy
from models.wire.consent_bundle import ConsentBundle
from models.wire.consent_change import What
from models.wire.log_entry import LogEntry
from participants.bank.command import SOME_NOT_SCORED, app
from participants.bank.settings import BankSettings
from participants.command.log_keys import keys_of
from participants.department.command import app as department_app
from participants.department.settings import DepartmentSettings
from simulations.enterprise.opened_reasons import opened_reasons
from simulations.enterprise.signatory import Signatory
from simulations.local_log import PAGES
from simulations.online_nodes import OnlineNodes


class Operators:
    """Those of a bank and of a department."""

    def __init__(self, nodes: OnlineNodes) -> None:
        self.nodes, self.bank = nodes, nodes.drawn.banks[0]
        self.department = nodes.drawn.departments[0]
        for name, settings in ((self.bank, BankSettings), (self.department, DepartmentSettings)):
            (nodes.drawn.homes[name] / CONFIG_FILE).write_text(settings.sample(), encoding="utf-8")

    def type(self, *words: str, code: int = 0) -> Any:
        return self._type(app, words, self.nodes.drawn.homes[self.bank], code)

    def type_at_the_department(self, *words: str) -> Any:
        return self._type(department_app, words, self.nodes.drawn.homes[self.department], 0)

    @staticmethod
    def _type(commands: Any, words: tuple[str, ...], home: Path, code: int) -> Any:
        done = CliRunner().invoke(commands, [*words, "--home", str(home), "--json"])
        assert done.exit_code == code, (done.output, done.exception)
        return json.loads(done.stdout)


class Firm:
    """An enterprise and the person who signs for it."""

    def __init__(self, nodes: OnlineNodes, row: int) -> None:
        self.enterprise_id: EnterpriseId = nodes.enterprise(row)
        self._nodes, self.at = nodes, int(time.time()) - 60
        self.person = Signatory.create(self.enterprise_id, PAGES)
        registrar = nodes.home(nodes.drawn.departments[0])
        self.person.binding(registrar.identity(), registrar.participant_id, at=self.at)

    def consent(self, purpose: Purpose, **more: Any) -> ConsentBundle:
        """What it gives the bank."""
        drawn = self._nodes.drawn
        return self.person.consent(drawn.banks[0], drawn.departments, created_at=self.at, purpose=purpose, **more)

    def monitored(self) -> ConsentBundle:
        """Scores for monitoring, with reasons that both open."""
        asked = Computation.SCORE_WITH_REASONS
        return self.consent(Purpose.MONITORING, computation=asked, reasons_opened_by=ReasonsOpenedBy.BOTH)


@pytest.fixture(scope="module")
def operators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operators]:
    with OnlineNodes(tmp_path_factory.mktemp("nodes"), enterprises=6) as nodes:
        yield Operators(nodes)


def test_from_a_consent_to_the_proof_of_its_use_all_is_typed(operators: Operators, tmp_path: Path) -> None:
    nodes, firm = operators.nodes, Firm(operators.nodes, 0)
    bundle = firm.monitored()
    consent = tmp_path / "firm.consent"
    consent.write_bytes(bundle.encode())
    words = ("score", firm.enterprise_id, "--purpose", "monitoring", "--explain")
    assert "no consent" in operators.type(*words, code=SOME_NOT_SCORED)[0]["fault"]

    (row,) = operators.type("consent", "deposit", str(consent))
    assert (row["missing_departments"], row["fault"]) == ([], "")
    listed = operators.type_at_the_department("consent", "list", "--enterprises", "--last", "100")
    kept = {one["consent"]: one for one in listed}[row["consent"]]
    assert (kept["enterprise_id"], kept["standing"], kept["uses"]) == (firm.enterprise_id, "active", 0)

    (scored,) = operators.type(*words)
    families = dict(zip(nodes.drawn.departments, (one.codes for one in nodes.drawn.lost), strict=True))
    expected = principal_reasons(nodes.drawn.lost_by_family(0), families)
    assert [(one["code"], one["points_lost"]) for one in scored["principal_reasons"]] == [
        (one.code, one.points_lost) for one in expected
    ]
    assert operators.type("reasons", scored["request"]) == scored["principal_reasons"]
    boxes = tmp_path / "boxes"
    operators.type("reasons", scored["request"], "--for-enterprise", str(boxes))
    assert [one.code for one in opened_reasons(firm.person, boxes.read_bytes())] == [one.code for one in expected]

    (use,) = (one for one in operators.type_at_the_department("uses") if one["purpose"] == "monitoring")
    assert (use["consent"], use["bank"]) == (row["consent"], operators.bank)
    out = tmp_path / "score.tlog-proof"
    operators.type("receipts", "--complete")
    proof = operators.type("receipts", "--export", scored["request"], "--out", str(out))
    assert proof["leaf"] == use["leaf"]
    log = parse_keys(keys_of(nodes.home(operators.bank)))
    assert prove(out.read_bytes(), LogEntry.decode(bytes.fromhex(proof["entry"])), log).index == use["leaf"]


def test_a_consent_that_is_revoked_gives_no_score_any_more(operators: Operators, tmp_path: Path) -> None:
    firm = Firm(operators.nodes, 3)
    bundle = firm.consent(Purpose.PRE_QUALIFICATION)
    consent, revocation = tmp_path / "firm.consent", tmp_path / "firm.change"
    consent.write_bytes(bundle.encode())
    digest = operators.type("consent", "deposit", str(consent))[0]["consent"]
    words = ("score", firm.enterprise_id, "--purpose", "pre-qualification", "--explain")
    (scored,) = operators.type(*words)
    assert scored["principal_reasons"] is None  # the consent is to a score alone
    revocation.write_bytes(firm.person.change(bundle.claimed(), What.REVOKE, at=int(time.time())).encode())
    assert operators.type("consent", "change", str(revocation))["what"] == "revoke"
    assert "has ended" in operators.type(*words, code=SOME_NOT_SCORED)[0]["fault"]
    held = {one["consent"]: one for one in operators.type("consent", "list")}[digest]
    assert (held["standing"], held["ended"]) == ("ended", "consent-not-active")
    listed = operators.type_at_the_department("consent", "list", "--last", "100")
    assert {one["consent"]: one["standing"] for one in listed}[digest] == "revoked"


def test_a_portfolio_is_scored_for_what_enterprises_consented_to(operators: Operators, tmp_path: Path) -> None:
    firm = Firm(operators.nodes, 1)
    consent, ids, out = tmp_path / "firm.consent", tmp_path / "ids.csv", tmp_path / "scores.parquet"
    consent.write_bytes(firm.monitored().encode())
    operators.type("consent", "deposit", str(consent))
    ids.write_text(f"enterprise_id\n{firm.enterprise_id}\n{operators.nodes.enterprise(2)}\n", encoding="utf-8")
    facts = operators.type("portfolio", str(ids), "--out", str(out), "--purpose", "monitoring")
    assert (facts["rows"], facts["scored"], facts["faults"][0]["row"]) == (2, 1, 3)
    assert pl.read_parquet(out)["score"].null_count() == 1


def test_a_witness_and_its_view_of_permissions_are_shown_while_it_serves(operators: Operators) -> None:
    status = operators.type_at_the_department("witness", "status")
    assert (status["quorum"], status["witnesses"], status["alarms"]) == (2, 3, [])
    assert status["entries"] > 0
    rows = operators.type_at_the_department("permissions")
    assert {"request-scores", "register-passkeys", "model-approved"} == {row["action"] for row in rows}
    assert {row["grantee"] for row in rows if row["action"] == "request-scores"} == set(operators.nodes.drawn.banks)
