"""Nothing of a run is answered before an operator or a policy has approved it; people are asked once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from crypto.errors import MalformedMessage, PeerError, ProtectionUnavailable, ProtocolStateError
from crypto.identifiers import ParticipantId, Role, RunId
from models.wire.binning import BinRequest
from models.wire.plan import MAXIMUM_ATTEMPTS, RunPlan, attempt_of
from models.wire.setup import JoinReply, JoinRequest
from models.wire.steps import Step
from participants.bank.exposure import OpenedNumbers
from participants.errors import ApprovalPending, ApprovalRefused, PolicyRefused, RunRefused
from participants.home import Home
from participants.node import Node
from participants.records.contract import Category, DataContract, Item, ItemType
from participants.records.records import Records
from participants.runs.approval_policy import POLICY_FILE, ApprovalPolicy, approve_everything, write_template
from participants.runs.approvals import MAXIMUM_PENDING, POLICY, Approvals
from participants.runs.run_store import RunStore
from participants.runs.run_summary import features_digest

DAY = 86_400.0
PLAN = RunPlan(
    run_id="run-1",
    purpose="credit of small firms",
    departments=("courts", "land", "tax"),
    banks=("bank-east", "bank-north"),
    maximum_rounds=8,
    tolerance=1e-6,
    block="binned",
    maximum_bins=8,
    parameter_limit=100,
    smoothness=1.0,
    ridge=1.0,
)
ALLOWS: dict[str, Any] = {
    "purposes": ["credit of small firms"],
    "banks": ["bank-east", "bank-north"],
    "departments": ["courts", "land"],
    "maximum_rounds": 8,
    "maximum_parameters": 100,
    "maximum_runs_in_30_days": 2,
    "features_never_used": [],
}


@dataclass
class Hand:
    """A clock that is set by hand."""

    seconds: float = 1_800_000_000.0

    def now(self) -> float:
        return self.seconds


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Home]:
    directory = tmp_path_factory.mktemp("approvals")
    made = {}
    for name, role in (("tax", Role.DEPARTMENT), ("bank-east", Role.BANK)):
        home = Home.create(directory / name, participant_id=ParticipantId(name), role=role, title=name)
        items = (Item(name="late", title="Late filings", type=ItemType.NUMBER, feature=True),)
        contract = DataContract(
            holder=home.participant_id, title=name, categories=(Category(name="facts", title="Facts", items=items),)
        )
        Records.create(home.directory / "data", contract)
        made[name] = home
    return made


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def approvals(homes: dict[str, Home], clock: Hand) -> Iterator[Approvals]:
    yield from opened(homes["tax"], clock)


@pytest.fixture
def of_bank(homes: dict[str, Home], clock: Hand) -> Iterator[Approvals]:
    yield from opened(homes["bank-east"], clock)


def opened(home: Home, clock: Hand) -> Iterator[Approvals]:
    """The decisions of a home, forgotten after the test."""
    with closing(Approvals.open(home, clock=clock)) as approvals:
        yield approvals
        with approvals._database.begin() as connection:
            connection.exec_driver_sql("DELETE FROM approvals")
    (home.directory / POLICY_FILE).unlink(missing_ok=True)


def write_policy(home: Home, **changes: Any) -> None:
    values = {**ALLOWS, **changes}
    lines = [f"{key} = {str(value) if not isinstance(value, str) else repr(value)}" for key, value in values.items()]
    (home.directory / POLICY_FILE).write_text("\n".join(lines))


def test_a_run_waits_until_it_is_approved_and_is_asked_about_once(approvals: Approvals) -> None:
    for _ in range(3):
        with pytest.raises(ApprovalPending):
            approvals.admit(PLAN)
    with pytest.raises(ApprovalPending):
        approvals.require_begun(PLAN.run)
    assert [record.plan for record in approvals.pending()] == [PLAN]
    approvals.approve("run-1", by="Ms Liu")
    assert approvals.pending() == ()
    with pytest.raises(ProtocolStateError, match="begun here"):
        approvals.require_begun(PLAN.run)
    approvals.admit(PLAN)
    approvals.require_begun(PLAN.run)
    assert approvals.show("run-1").decided_by == "Ms Liu"


def test_a_refused_run_is_refused_at_every_step_even_after_it_was_begun(approvals: Approvals) -> None:
    with pytest.raises(ApprovalPending):
        approvals.admit(PLAN)
    approvals.approve("run-1", by="Ms Liu")
    approvals.admit(PLAN)
    approvals.refuse("run-1", by="Mr Wang", reason="withdrawn")
    for _ in range(2):
        with pytest.raises(RunRefused):
            approvals.admit(PLAN)
        with pytest.raises(RunRefused):
            approvals.require_begun(PLAN.run)
    with pytest.raises(ApprovalRefused):
        approvals.approve("run-1", by="Ms Liu")


def test_an_approval_is_of_one_exact_plan_and_of_its_attempts(approvals: Approvals) -> None:
    with pytest.raises(ApprovalPending):
        approvals.admit(PLAN)
    approvals.approve("run-1", by="Ms Liu")
    for number in range(1, MAXIMUM_ATTEMPTS + 1):
        approvals.admit(PLAN.as_attempt(number))
        approvals.admit(PLAN.as_attempt(number))
        approvals.require_begun(PLAN.as_attempt(number).run)
    with pytest.raises(ProtocolStateError, match="attempt"):
        approvals.require_begun(PLAN.run)
    with pytest.raises(PeerError, match="later attempt"):
        approvals.admit(PLAN)
    with pytest.raises(PeerError, match="attempts at most"):
        approvals.admit(PLAN.as_attempt(MAXIMUM_ATTEMPTS + 1))
    with pytest.raises(PeerError, match="another plan"):
        approvals.admit(replace(PLAN.as_attempt(MAXIMUM_ATTEMPTS), maximum_rounds=9))


@pytest.mark.parametrize("of", ["tax", "bank-east"])
def test_a_run_that_came_to_training_is_not_begun_anew(of: str, homes: dict[str, Home], clock: Hand) -> None:
    home, plan = homes[of], replace(PLAN, run_id=f"run-{of}")
    approve_everything(home.directory)
    for approvals in opened(home, clock):
        approvals.admit(plan)
        store = RunStore(home.directory / "runs", plan.run)
        if of == "tax":
            store.write_facts("residuals/0001", {})
        else:
            OpenedNumbers(store).spend(ParticipantId("tax"), 100, training_rows=1000)
        with pytest.raises(PeerError, match="come to training"):
            approvals.admit(plan.as_attempt(2))
        approvals.admit(plan)
        # What it has cost is shown beside the next run.
        write_policy(home, features_never_used=["late"])
        with pytest.raises(RunRefused):
            approvals.admit(replace(PLAN, run_id="run-next"))
        cost = approvals.show("run-next").exposure.before
        assert cost.runs == 1
        assert cost.numbers_opened == ({} if of == "tax" else {"tax": 100})


def test_an_attempt_of_an_attempt_trains_again_under_one_approval_where_plans_are_not_checked_and_is_refused_by_ours(
    approvals: Approvals, homes: dict[str, Home]
) -> None:
    home = homes["tax"]
    approve_everything(home.directory)
    second, third = (replace(PLAN, run_id=f"run-n-a2-a{number}") for number in (2, 3))
    approvals.admit(second)
    RunStore(home.directory / "runs", second.run).write_facts("residuals/0001", {})
    approvals.admit(third)  # the second attempt came to training, but that is looked for under another name
    for plan in (second, third):
        with closing(Node(home)) as node, pytest.raises(MalformedMessage, match="attempt of an attempt"):
            node.handle(Step.JOIN, JoinRequest(plan=plan.encode()).encode())


def test_who_is_not_meant_is_not_even_asked(approvals: Approvals) -> None:
    with pytest.raises(PeerError):
        approvals.admit(replace(PLAN, departments=("courts", "land", "power")))
    with pytest.raises(ProtectionUnavailable):
        approvals.admit(replace(PLAN, departments=("land", "tax")))
    assert approvals.pending() == ()


def test_a_bureau_does_not_bury_an_operator_in_proposals(approvals: Approvals) -> None:
    for number in range(MAXIMUM_PENDING):
        with pytest.raises(ApprovalPending):
            approvals.admit(replace(PLAN, run_id=f"run-x{number}"))
    with pytest.raises(PeerError, match="too many"):
        approvals.admit(PLAN)


def test_decisions_are_of_known_runs_and_by_somebody(approvals: Approvals) -> None:
    for act in (lambda: approvals.show("run-1"), lambda: approvals.approve("run-1", by="Ms Liu")):
        with pytest.raises(ApprovalRefused, match="no such run"):
            act()
    with pytest.raises(ApprovalPending):
        approvals.admit(PLAN)
    with pytest.raises(ApprovalRefused, match="name"):
        approvals.approve("run-1", by=" ")


def test_a_department_sees_what_a_run_would_give_away(approvals: Approvals) -> None:
    with pytest.raises(ApprovalPending):
        approvals.admit(PLAN)
    summary = approvals.show("run-1")
    assert summary.exposure.numbers_at_most == 8
    assert [item.name for item in summary.features] == ["late"]
    assert {one.participant_id for one in summary.parties} == {"courts", "land", "bank-east", "bank-north"}
    text = "\n".join(summary.lines())
    for part in ("credit of small firms", "At most 8 rounds", "Late filings", "NOT PINNED", "8000 rows", "8 numbers"):
        assert part in text
    assert "not by the policy: there is none" in text


def test_a_bank_sees_how_many_numbers_it_would_open(of_bank: Approvals) -> None:
    with pytest.raises(ApprovalPending):
        of_bank.admit(PLAN)
    summary = of_bank.show("run-1")
    assert summary.exposure.numbers_at_most == 800
    text = "\n".join(summary.lines())
    assert "8 vectors of at most 100 masked numbers (800 in all)" in text
    assert "this bank's part exactly" in text


def test_a_policy_approves_what_it_names(approvals: Approvals, homes: dict[str, Home]) -> None:
    write_policy(homes["tax"])
    approvals.admit(PLAN)
    assert approvals.show("run-1").decided_by == POLICY


OUTSIDE: dict[str, dict[str, Any]] = {
    "its purpose": {"purposes": ["credit"]},
    "the bank bank-north": {"banks": ["bank-east"]},
    "the department land": {"departments": ["courts"]},
    "8 rounds; the policy allows 7": {"maximum_rounds": 7},
    "100 parameters; the policy allows 99": {"maximum_parameters": 99},
    "0 runs were approved": {"maximum_runs_in_30_days": 0},
}


@pytest.mark.parametrize("why", OUTSIDE)
def test_what_is_outside_of_a_policy_waits_and_the_operator_reads_why(
    why: str, approvals: Approvals, homes: dict[str, Home]
) -> None:
    write_policy(homes["tax"], **OUTSIDE[why])
    with pytest.raises(ApprovalPending):
        approvals.admit(PLAN)
    assert any(why in text for text in approvals.show("run-1").warnings)


def test_a_policy_approves_so_many_runs_in_thirty_days(
    approvals: Approvals, homes: dict[str, Home], clock: Hand
) -> None:
    write_policy(homes["tax"])
    for number in (1, 2):
        approvals.admit(replace(PLAN, run_id=f"run-{number}"))
    with pytest.raises(ApprovalPending):
        approvals.admit(replace(PLAN, run_id="run-3"))
    clock.seconds += 31 * DAY
    approvals.admit(replace(PLAN, run_id="run-3"))


def test_a_run_that_would_use_what_no_run_may_use_is_refused_whoever_approves(
    approvals: Approvals, homes: dict[str, Home]
) -> None:
    with pytest.raises(ApprovalPending):
        approvals.admit(PLAN)
    write_policy(homes["tax"], features_never_used=["late"])
    with pytest.raises(ApprovalRefused, match="late"):
        approvals.approve("run-1", by="Ms Liu")
    with pytest.raises(RunRefused):
        approvals.admit(PLAN)
    assert approvals.show("run-1").state == "refused"


BAD_POLICIES: dict[str, dict[str, Any]] = {
    "an unknown key": {"maximum_runs": 3},
    "a wrong type": {"maximum_rounds": "many"},
    "a text that is not any": {"banks": "all"},
}


@pytest.mark.parametrize("fault", BAD_POLICIES)
def test_a_policy_with_a_fault_approves_nothing(fault: str, approvals: Approvals, homes: dict[str, Home]) -> None:
    write_policy(homes["tax"], **BAD_POLICIES[fault])
    with pytest.raises(PolicyRefused):
        ApprovalPolicy.read(homes["tax"].directory)
    with pytest.raises(ApprovalPending):
        approvals.admit(PLAN)
    assert any(POLICY_FILE in text for text in approvals.show("run-1").warnings)


def test_a_run_that_no_approval_allows_is_not_begun_because_the_policy_was_spoilt(
    approvals: Approvals, homes: dict[str, Home]
) -> None:
    home = homes["tax"]
    with pytest.raises(ApprovalPending):
        approvals.admit(PLAN)
    write_policy(home, features_never_used=["late"], maximum_rounds="many")
    with pytest.raises(ApprovalRefused, match=POLICY_FILE):
        approvals.approve("run-1", by="Ms Liu")
    (home.directory / POLICY_FILE).unlink()
    approvals.approve("run-1", by="Ms Liu")  # whoever takes the policy away as a whole may do so
    write_policy(home, features_never_used=["late"], maximum_rounds="many")
    with pytest.raises(ApprovalPending):
        approvals.admit(PLAN)
    write_policy(home)
    approvals.admit(PLAN)


def with_features(home: Home, *names: str) -> None:
    """Put a contract into a home whose features these are."""
    items = tuple(Item(name=name, title=name, type=ItemType.NUMBER, feature=True) for name in names)
    category = Category(name="facts", title="Facts", items=items)
    Records.create(
        home.directory / "data", DataContract(holder=home.participant_id, title="facts", categories=(category,))
    )


@pytest.fixture
def contract(homes: dict[str, Home]) -> Iterator[Path]:
    """The contract of the department; put back after the test."""
    path = homes["tax"].directory / "data" / "contract.toml"
    before = path.read_bytes()
    yield path
    path.write_bytes(before)


def test_a_name_that_the_contract_does_not_know_protects_nothing_and_so_nothing_is_approved(
    approvals: Approvals, homes: dict[str, Home]
) -> None:
    home = homes["tax"]
    write_policy(home, features_never_used=["lats"])
    with pytest.raises(ApprovalPending):
        approvals.admit(PLAN)
    assert any("lats" in text and "does not know" in text for text in approvals.show("run-1").warnings)
    with pytest.raises(ApprovalRefused, match="lats"):
        approvals.approve("run-1", by="Ms Liu")
    (home.directory / POLICY_FILE).unlink()
    approvals.approve("run-1", by="Ms Liu")
    write_policy(home, features_never_used=["lats"])
    with pytest.raises(ApprovalPending, match="lats"):
        approvals.admit(PLAN)
    write_policy(home)
    approvals.admit(PLAN)


def test_an_item_that_is_no_feature_may_be_named_as_never_used(
    approvals: Approvals, homes: dict[str, Home], contract: Path
) -> None:
    contract.write_text(contract.read_text().replace("feature = true", "feature = false"))
    write_policy(homes["tax"], features_never_used=["late"])
    approvals.admit(PLAN)


def test_who_decides_is_told_that_the_contract_cannot_be_read(approvals: Approvals, contract: Path) -> None:
    with pytest.raises(ApprovalPending):
        approvals.admit(PLAN)
    contract.write_text("[")
    assert any("contract cannot be read" in text for text in approvals.show("run-1").warnings)


def test_an_approval_is_of_the_features_that_were_shown(
    approvals: Approvals, homes: dict[str, Home], contract: Path
) -> None:
    with pytest.raises(ApprovalPending):
        approvals.admit(PLAN)
    approvals.approve("run-1", by="Ms Liu")
    with_features(homes["tax"], "late", "salary")
    with pytest.raises(ApprovalPending):
        approvals.admit(PLAN)
    assert [record.run_id for record in approvals.pending()] == ["run-1"]
    approvals.approve("run-1", by="Ms Liu")
    approvals.admit(PLAN)
    with_features(homes["tax"], "late", "salary", "debts")
    approvals.admit(PLAN)  # begun before; what it comes to is checked when it is binned
    with pytest.raises(ApprovalPending, match="other features"):
        approvals.require_same_features(PLAN.run)
    with pytest.raises(ApprovalPending):
        approvals.admit(PLAN.as_attempt(2))
    assert contract.exists()


def test_a_policy_decides_anew_on_other_features(approvals: Approvals, homes: dict[str, Home], contract: Path) -> None:
    write_policy(homes["tax"], features_never_used=["late"])
    contract.write_text(contract.read_text().replace("feature = true", "feature = false"))
    approvals.admit(PLAN)
    contract.write_text(contract.read_text().replace("feature = false", "feature = true"))
    with pytest.raises(RunRefused):
        approvals.admit(PLAN.as_attempt(2))


def test_a_policy_without_a_key_is_refused(homes: dict[str, Home]) -> None:
    path = homes["tax"].directory / POLICY_FILE
    path.write_text("purposes = []")
    with pytest.raises(PolicyRefused):
        ApprovalPolicy.read(path.parent)
    path.unlink()


def test_the_template_is_a_policy_that_approves_nothing(approvals: Approvals, homes: dict[str, Home]) -> None:
    write_template(homes["tax"].directory)
    assert ApprovalPolicy.read(homes["tax"].directory) is not None
    with pytest.raises(ApprovalPending):
        approvals.admit(PLAN)


def test_a_node_answers_nothing_of_a_run_before_it_is_approved(homes: dict[str, Home], approvals: Approvals) -> None:
    home = homes["tax"]
    with closing(Node(home)) as node:
        request = JoinRequest(plan=PLAN.encode()).encode()
        with pytest.raises(ApprovalPending):
            node.handle(Step.JOIN, request)
        with pytest.raises(ApprovalPending):
            node.handle(Step.BIN_DEPARTMENT, BinRequest(run_id=PLAN.run_id).encode())
        assert not (home.directory / "runs" / PLAN.run_id).exists()
        approvals.approve("run-1", by="Ms Liu")
        assert JoinReply.decode(node.handle(Step.JOIN, request)).document


def test_a_node_makes_no_block_of_other_features_than_were_approved(
    homes: dict[str, Home], approvals: Approvals, contract: Path
) -> None:
    home, plan = homes["tax"], replace(PLAN, run_id="run-bin")
    with closing(Node(home)) as node:
        with pytest.raises(ApprovalPending):
            approvals.admit(plan)
        approvals.approve("run-bin", by="Ms Liu")
        node.handle(Step.JOIN, JoinRequest(plan=plan.encode()).encode())
        with_features(home, "late", "salary")
        with pytest.raises(ApprovalPending, match="other features"):
            node.handle(Step.BIN_DEPARTMENT, BinRequest(run_id=plan.run_id).encode())
    assert contract.exists()


@pytest.mark.parametrize(
    ("run_id", "parts"),
    [("run-1", ("run-1", 1)), ("run-1-a2", ("run-1", 2)), ("run-a12", ("run-a12", 1)), ("run-a1", ("run-a1", 1))],
)
def test_an_attempt_is_read_off_a_runs_id(run_id: str, parts: tuple[RunId, int]) -> None:
    assert attempt_of(run_id) == parts


def test_reason_families_are_no_part_of_what_an_approval_covers() -> None:
    """Or every approval of before a contract named them would have to be given again."""
    item = Item(name="late", title="Late filings", type=ItemType.NUMBER, feature=True)
    assert features_digest([item]) == features_digest([replace(item, reason="TX1")])
