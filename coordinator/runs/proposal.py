"""A run that the bureau's operator proposes: everybody who is admitted, unless some are named."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from coordinator.database import open_database
from coordinator.home import BureauHome
from coordinator.runs.run_records import RunRecords
from crypto.errors import UntrustedKey
from crypto.identifiers import Role, parse_participant_id
from models.penalties import DEFAULT_RIDGE, DEFAULT_SMOOTHNESS
from models.wire.plan import RunPlan, require_enough_departments

TOLERANCE = 2e-9


def propose_run(
    home: BureauHome,
    *,
    purpose: str,
    departments: Sequence[str] | None,
    banks: Sequence[str] | None,
    rounds: int,
    parameters: int,
    bins: int,
) -> RunPlan:
    """Write a proposal into the database; the serving bureau takes it up. Returns its plan.

    Raises `UntrustedKey` for a participant that is not admitted in its role, `ProtectionUnavailable` for too few.
    """
    plan = RunPlan(
        run_id=f"run-{secrets.token_hex(4)}",
        purpose=purpose,
        departments=_admitted(home, Role.DEPARTMENT, departments),
        banks=_admitted(home, Role.BANK, banks),
        maximum_rounds=rounds,
        tolerance=TOLERANCE,
        block="binned",
        maximum_bins=bins,
        parameter_limit=parameters,
        smoothness=DEFAULT_SMOOTHNESS,
        ridge=DEFAULT_RIDGE,
    )
    require_enough_departments(len(plan.departments))
    plan = RunPlan.decode(plan.encode())
    database = open_database(home)
    try:
        RunRecords(database, clock=home.clock).propose(plan)
    finally:
        database.close()
    return plan


def _admitted(home: BureauHome, role: Role, named: Sequence[str] | None) -> tuple[str, ...]:
    found = {name for name, documents in home.pins.documents().items() if documents[0].role is role}
    if not named:
        return tuple(sorted(found))
    wanted = {parse_participant_id(name) for name in named}
    if strangers := sorted(wanted - found):
        raise UntrustedKey(f"{', '.join(strangers)}: no {role} of that name is admitted", advice="see `bureau pins`")
    return tuple(sorted(wanted))
