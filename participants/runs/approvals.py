"""Nothing of a run is answered before this participant's operator, or the policy in `approval.toml`, has approved it.

An approval covers one exact plan, and the few attempts that its set-up may take (`models/wire/plan.py`). Attempts
follow one another: once a later one was begun here the earlier ones are over, and once one has come to training no
other is begun. So people are not asked again because a set-up failed, and no approval is spent on training twice.

| a run is | proposed (JOIN)                              | asked for a later step          |
|----------|----------------------------------------------|---------------------------------|
| unknown  | kept as pending, unless the policy approves  | refused: it was not begun here  |
| pending  | `ApprovalPending`, until somebody decides    | `ApprovalPending`               |
| approved | begun                                        | answered, in the attempt begun  |
| refused  | `RunRefused`                                 | `RunRefused`                    |

It covers the features that were shown, too: if the data contract's are others when an attempt is begun, the run is
pending again; if they are others when it comes to binning, that step is refused.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Self

from crypto.errors import PeerError, ProtocolStateError
from crypto.identifiers import RunId
from models.hosting.storage.database import Database
from models.wire.plan import MAXIMUM_ATTEMPTS, RunPlan, attempt_of
from participants.clock import Clock, SystemClock
from participants.errors import ApprovalPending, ApprovalRefused, ContractRefused, PolicyRefused, RunRefused
from participants.home import Home
from participants.node_database import open_node_database
from participants.records.contract import DataContract
from participants.records.records import Records
from participants.runs.approval_policy import DAYS, ApprovalPolicy, Opinion, Verdict
from participants.runs.approval_records import ApprovalRecord, ApprovalRecords, ApprovalState
from participants.runs.run import check_plan
from participants.runs.run_costs import came_to_rounds, cost_of
from participants.runs.run_summary import RunSummary, conditions_of, exposure_of, features_digest, parties_of

POLICY: Final = "policy"
MAXIMUM_PENDING: Final = 100
_DAY_SECONDS: Final = 86_400


class Approvals:
    """The decisions of one participant."""

    def __init__(self, home: Home, database: Database, *, clock: Clock | None = None) -> None:
        self._home = home
        self._database = database
        self._records = ApprovalRecords(database)
        self._clock = clock or SystemClock()

    @classmethod
    def open(cls, home: Home, *, clock: Clock | None = None) -> Self:
        """The decisions that a home's database holds; raises `SchemaOutdated`."""
        return cls(home, open_node_database(home.directory, home.role), clock=clock)

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    # For the operator

    def pending(self) -> tuple[ApprovalRecord, ...]:
        """The runs that wait for a decision, oldest first."""
        return tuple(record for record in self._records.all() if record.state is ApprovalState.PENDING)

    def show(self, run_id: str) -> RunSummary:
        """What there is to know of a run before deciding; raises `ApprovalRefused` for one that was not proposed."""
        record = self._known(run_id)
        plan, contract = record.plan, self._contract()
        parties = parties_of(plan, self._home)
        warnings = [f"{one.participant_id} is not pinned here" for one in parties if not one.fingerprint]
        if contract is None:
            warnings.append("the data contract cannot be read: which features would be used is not known")
        if record.state is ApprovalState.PENDING:
            warnings += [f"not by the policy: {text}" for text in self._opinion(plan).reasons]
        before = cost_of(self._home.directory / "runs", self._begun(besides=record.run_id))
        return RunSummary(
            run_id=record.run_id,
            state=record.state.value,
            decided_by=record.decided_by or "",
            reason=record.reason or "",
            plan=plan,
            parties=parties,
            features=contract.features if contract else (),
            conditions=conditions_of(plan),
            exposure=exposure_of(plan, self._home, before),
            warnings=tuple(warnings),
        )

    def approve(self, run_id: str, by: str) -> None:
        """Take part in a run; `by`: who decides. Raises `ApprovalRefused` for one that was refused, or never may be."""
        record = self._known(run_id)
        if record.state is ApprovalState.REFUSED:
            raise ApprovalRefused("this run was refused before", advice="the bureau proposes a new one")
        opinion = self._opinion(record.plan)
        if opinion.verdict in {Verdict.REFUSE, Verdict.WAIT}:
            raise ApprovalRefused(f"this run cannot be approved: {'; '.join(opinion.reasons)}")
        if record.state is ApprovalState.PENDING:
            approved = record.decided(ApprovalState.APPROVED, by=_named(by), at=self._clock.now())
            self._decide(record, replace(approved, features=self._features_digest()))

    def refuse(self, run_id: str, by: str, reason: str) -> None:
        """Take no part in a run, or no further part; nobody but this participant learns the reason."""
        record = self._known(run_id)
        if record.state is not ApprovalState.REFUSED:
            refused = record.decided(ApprovalState.REFUSED, by=_named(by), at=self._clock.now(), reason=reason)
            self._decide(record, refused)

    # For the node

    def admit(self, plan: RunPlan) -> None:
        """Let a run's attempt be begun; raises `ApprovalPending`, `RunRefused`, or `PeerError` for another plan."""
        check_plan(plan, self._home)
        run_id, attempt = attempt_of(plan.run_id)
        record = self._records.get(run_id) or self._propose(plan.proposal())
        if record.proposal != plan.proposal().encode():
            raise PeerError("this run already has another plan")
        if attempt != record.attempts:
            record = self._asked_again_if_others_are_used(record)
        if record.state is ApprovalState.PENDING:
            record = self._by_policy(record)
        elif record.state is ApprovalState.APPROVED:
            self._require_allowed(plan)
        _require_approved(record)
        if attempt != record.attempts:
            self._begin(record, attempt)

    def require_begun(self, run_id: RunId) -> None:
        """Refuse a step of a run, or of an attempt, that was not begun here, or that is not wanted any more."""
        base, attempt = attempt_of(run_id)
        record = self._records.get(base)
        if record is None:
            raise ProtocolStateError("this run was not begun here", advice="the bureau proposes it first")
        _require_approved(record)
        if record.attempts != attempt:
            raise ProtocolStateError(
                "this is not the attempt of the run that was begun here", advice="the bureau begins a new attempt"
            )

    def require_same_features(self, run_id: RunId) -> None:
        """Refuse to make the block of a run of other features than were approved."""
        record = self._records.get(attempt_of(run_id)[0])
        if record is None or record.features != self._features_digest():
            raise ApprovalPending(
                "the data contract has other features than when this run was approved",
                advice="begin a new attempt of the run, and approve it again",
            )

    def _asked_again_if_others_are_used(self, record: ApprovalRecord) -> ApprovalRecord:
        if record.state is not ApprovalState.APPROVED or record.features == self._features_digest():
            return record
        pending = replace(record, state=ApprovalState.PENDING, decided_at=None, decided_by=None, reason=None)
        self._decide(record, pending)
        return pending

    def _require_allowed(self, plan: RunPlan) -> None:
        """Hold a run that was approved before to what no run may use."""
        opinion = self._opinion(plan)
        if opinion.verdict is Verdict.REFUSE:
            raise RunRefused("this run would use what no run may use", advice="see approval.toml")
        if opinion.verdict is Verdict.WAIT:
            raise ApprovalPending(
                f"what no run may use is not known here: {'; '.join(opinion.reasons)}", advice="correct approval.toml"
            )

    def _propose(self, proposal: RunPlan) -> ApprovalRecord:
        if self._records.count(ApprovalState.PENDING) >= MAXIMUM_PENDING:
            raise PeerError("too many runs wait for a decision here", advice="the operator decides on them first")
        record = ApprovalRecord(
            run_id=proposal.run,
            proposal=proposal.encode(),
            state=ApprovalState.PENDING,
            seen_at=int(self._clock.now()),
        )
        self._records.add(record)
        return record

    def _by_policy(self, record: ApprovalRecord) -> ApprovalRecord:
        opinion = self._opinion(record.plan)
        if opinion.verdict in {Verdict.ASK, Verdict.WAIT}:
            return record
        approved = opinion.verdict is Verdict.APPROVE
        decided = record.decided(
            ApprovalState.APPROVED if approved else ApprovalState.REFUSED,
            by=POLICY,
            at=self._clock.now(),
            reason="; ".join(opinion.reasons) or None,
        )
        decided = replace(decided, features=self._features_digest())
        self._decide(record, decided)
        return decided

    def _begin(self, record: ApprovalRecord, attempt: int) -> None:
        """Go on to a later attempt; the ones before are over."""
        if attempt < record.attempts:
            raise PeerError("a later attempt of this run was begun here before")
        if attempt > MAXIMUM_ATTEMPTS:
            raise PeerError(f"a run has {MAXIMUM_ATTEMPTS} attempts at most", advice="propose a new run")
        runs = self._home.directory / "runs"
        if record.attempts and came_to_rounds(runs, record.plan.as_attempt(record.attempts).run):
            raise PeerError(
                "this run has come to training here, and is not begun anew", advice="resume it, or propose a new run"
            )
        self._decide(record, replace(record, attempts=attempt))

    def _decide(self, before: ApprovalRecord, after: ApprovalRecord) -> None:
        if not self._records.change(before, after):
            raise ApprovalRefused("somebody else decided on this run at the same time", advice="look at it again")

    def _known(self, run_id: str) -> ApprovalRecord:
        record = self._records.get(attempt_of(run_id)[0])
        if record is None:
            raise ApprovalRefused("no such run was proposed here", advice="list those that wait for a decision")
        return record

    def _opinion(self, plan: RunPlan) -> Opinion:
        try:
            policy = ApprovalPolicy.read(self._home.directory)
        except PolicyRefused as fault:
            return Opinion(Verdict.WAIT, (fault.message,))
        if policy is None:
            return Opinion(Verdict.ASK, ("there is none",))
        contract = self._contract()
        if contract is None and policy.keys.features_never_used:
            return Opinion(Verdict.WAIT, ("the data contract cannot be read",))
        since = self._clock.now() - DAYS * _DAY_SECONDS
        return policy.opinion(
            plan,
            me=self._home.participant_id,
            items=contract.items if contract else (),
            approved_in_30_days=self._records.count(ApprovalState.APPROVED, decided_since=since),
        )

    def _contract(self) -> DataContract | None:
        """The data contract, whose features a run would use; None if it cannot be read."""
        try:
            return Records(self._home.directory / "data").contract
        except ContractRefused:
            return None

    def _features_digest(self) -> bytes | None:
        contract = self._contract()
        return None if contract is None else features_digest(contract.features)

    def _begun(self, *, besides: RunId) -> list[RunId]:
        return [
            record.plan.as_attempt(attempt).run
            for record in self._records.all()
            if record.run_id != besides
            for attempt in range(1, record.attempts + 1)
        ]


def _require_approved(record: ApprovalRecord) -> None:
    if record.state is ApprovalState.PENDING:
        raise ApprovalPending("nobody has decided on this run yet", advice=f"show, then approve {record.run_id}")
    if record.state is ApprovalState.REFUSED:
        raise RunRefused(f"this run was refused here by {record.decided_by}: {record.reason or 'no reason was given'}")


def _named(by: str) -> str:
    if not by.strip():
        raise ApprovalRefused("a decision needs the name of whoever takes it")
    return by.strip()
