"""Consent between real processes, by what people type: given, used, proven, looked up, and taken back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crypto.identifiers import ParticipantId, Role
from models.hosting.https import proof_problems
from participants.bank.errors import NoConsent, ScoreRefused
from simulations.errors import CommandFailed
from simulations.local_federation.consenting import ENTERPRISES, Enterprise, enterprises_of, have_consented
from simulations.local_federation.founding import BUREAU
from simulations.local_federation.online import OnlineProcesses, online_processes
from simulations.local_federation.operator import Operator, run_command
from simulations.local_federation.waiting import until

CONSENTING = 4

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnlineProcesses]:
    """A bureau, three departments and a bank. All enterprises but some have consented to nothing yet."""
    pools = {Role.DEPARTMENT: {"obfuscator_capacity": 40, "obfuscator_low": 8}}
    directory = tmp_path_factory.mktemp("consenting")
    with online_processes(
        directory, departments=3, banks=1, enterprises=20, consenting=CONSENTING, settings=pools
    ) as processes:
        yield processes


@pytest.fixture(scope="module")
def bank(few: OnlineProcesses) -> Operator:
    return few.running.nodes[few.founded.drawn.banks[0]].operator


@pytest.fixture(scope="module")
def bureau(few: OnlineProcesses) -> Operator:
    return few.running.nodes[BUREAU].operator


@pytest.fixture(scope="module")
def registrar(few: OnlineProcesses) -> Operator:
    return few.running.nodes[few.departments[0]].operator


@pytest.fixture(scope="module")
def keys(registrar: Operator, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The keys of log and witnesses, as a department has them."""
    path = tmp_path_factory.mktemp("keys") / "log.keys"
    registrar.type("log-keys", "--out", str(path))
    return str(path)


class Looking:
    """An enterprise that looks its uses up in the copy of the log that the bureau publishes."""

    def __init__(self, enterprise: Enterprise, bureau: Operator, copy: Path, keys: str) -> None:
        self._enterprise, self._bureau, self._copy, self._keys = enterprise, bureau, copy, keys

    def uses(self, count: int) -> list[dict[str, Any]]:
        """As soon as there are so many: what waits for cosignatures is not published."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            self._bureau.type("log", "publish", str(self._copy))
            found[:] = self._enterprise.ask("uses", "--log", str(self._copy), "--keys", self._keys)
            return len(found) >= count

        until(look, f"{count} uses are in the log", seconds=60)
        return found


def verified(receipt: str, entry: str, keys: str, home: Path) -> dict[str, Any]:
    typed = ["verify", receipt, "--entry", entry, "--keys", keys, "--json"]
    facts: dict[str, Any] = json.loads(run_command(typed, home=home, say=lambda _: None))
    return facts


def consented(few: OnlineProcesses, row: int, directory: Path) -> Enterprise:
    """The enterprise of a row, which registers and consents to the bank as people do."""
    (name,) = few.founded.drawn.banks
    asked = enterprises_of({name: [few.enterprise(row)]}, directory)
    have_consented(few.running, few.departments[0], asked)
    return asked[name][0]


def test_without_a_consent_nobody_is_asked_about(few: OnlineProcesses, bank: Operator) -> None:
    before = few.recorded()
    with pytest.raises(CommandFailed):
        bank.type("score", few.enterprise(CONSENTING))
    with few.client() as client, pytest.raises(NoConsent):
        client.score(few.enterprise(CONSENTING))
    assert few.recorded() == before


def test_a_use_is_proven_and_found_and_the_request_after_a_revocation_is_refused(
    few: OnlineProcesses, bank: Operator, bureau: Operator, registrar: Operator, keys: str, tmp_path: Path
) -> None:
    row = CONSENTING + 1
    enterprise = consented(few, row, tmp_path)
    assert enterprise.home == tmp_path / ENTERPRISES / "1"
    (given,) = enterprise.ask("consents")
    assert tuple(given["departments"]) == few.departments

    (score,) = bank.ask("score", enterprise.enterprise_id)
    assert (score["fault"], score["missing_departments"]) == ("", [])
    bank.type("receipts", "--complete")
    exported = bank.ask("receipts", "--export", score["request"], "--out", str(tmp_path / "score.tlog-proof"))
    proven = verified(exported["receipt"], exported["entry"], keys, tmp_path)
    assert (proven["index"], proven["entry"]) == (exported["leaf"], "request")
    assert len(proven["witnesses"]) >= proven["quorum"]

    looking = Looking(enterprise, bureau, tmp_path / "log", keys)
    (use,) = looking.uses(1)
    assert (use["index"], use["consent"], use["bank"]) == (exported["leaf"], given["consent"], bank.name)
    assert use["purpose"] == given["purpose"]
    assert registrar.ask("uses", "--last", "1")[0]["leaf"] == exported["leaf"]

    change = enterprise.ask("revoke", given["consent"])["file"]
    revoked = bank.ask("consent", "change", change)
    with few.client() as client, pytest.raises(ScoreRefused) as refused:
        client.score(enterprise.enterprise_id)
    assert refused.value.problem.kind is proof_problems.CONSENT_NOT_ACTIVE
    proven = verified(revoked["receipt"], revoked["entry"], keys, tmp_path)
    assert (proven["index"], proven["entry"]) == (revoked["leaf"], "consent-change")
    with pytest.raises(CommandFailed, match="yurong verify"):
        verified(revoked["receipt"], exported["entry"], keys, tmp_path)
    # The request that was refused is seen as well: it stands behind the revocation.
    assert [use["index"] > revoked["leaf"] for use in looking.uses(2)] == [False, True]


def test_a_permission_counts_from_the_next_request_on(few: OnlineProcesses, bank: Operator, bureau: Operator) -> None:
    before, during, after = few.unused(3)
    permission = [bank.name, "--model", few.founded.drawn.version, "--purpose", "application"]
    with few.client() as client:
        assert few.is_true(before, client.score(few.enterprise(before)))
        bureau.type("withdraw", *permission)
        with pytest.raises(ScoreRefused) as refused:
            client.score(few.enterprise(during))
        assert refused.value.problem.kind is proof_problems.NOT_PERMITTED
        bureau.type("permit", *permission)
        assert few.is_true(after, client.score(few.enterprise(after)))
    said = [one for one in bureau.ask("permissions", "--history") if _is_of(one, bank.name)]
    assert said[0]["granted"]
    assert [one["granted"] for one in said[-2:]] == [False, True]
    leaves = [one["leaf"] for one in said]
    assert leaves == sorted(leaves)


def _is_of(permission: dict[str, Any], bank: ParticipantId) -> bool:
    return (permission["grantee"], permission["purpose"]) == (bank, "application")
