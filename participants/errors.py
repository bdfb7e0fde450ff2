"""Every error of a participant's side.

    YurongError
    └── ParticipantError
        ├── ContractRefused     a data contract that is not well formed, or contradicts itself
        ├── TableRefused        a data file with faults; its report lists them, rows and all, values never
        ├── StoreUnusable       a participant's own store is missing, damaged or of another contract
        │   └── ImportGoesOn    another import of the same records has not ended
        ├── PolicyRefused       an approval policy that is not well formed
        ├── ApprovalRefused     an operator's decision that cannot be taken
        ├── ApprovalPending     nobody has decided yet whether this participant takes part in a run
        └── RunRefused          this participant takes no part in a run

A message is one line and never holds a record's value or an enterprise id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crypto.errors import YurongError

if TYPE_CHECKING:
    from participants.records.faults import TableReport


class ParticipantError(YurongError):
    """What can be wrong at one participant, whatever the others do."""


class ContractRefused(ParticipantError):
    """A data contract that cannot be used. The message names the item and the key."""


class TableRefused(ParticipantError):
    """A data file that breaks its contract. Nothing was changed; `report` lists every fault."""

    def __init__(self, report: TableReport) -> None:
        super().__init__(
            report.summary(),
            advice="Correct the rows that the report lists (the header is row 1) and import the file again.",
        )
        self.report = report


class StoreUnusable(ParticipantError):
    """A participant's store of records cannot be read."""


class ImportGoesOn(StoreUnusable):
    """The records are being exchanged by another process."""


class PolicyRefused(ParticipantError):
    """An approval policy that cannot be used: it then approves nothing. The message names the key."""


class ApprovalRefused(ParticipantError):
    """A decision about a run that is unknown, was decided otherwise, or would use what may never be used."""


class ApprovalPending(ParticipantError):
    """A run was proposed on which the operator has not decided. The bureau asks again."""


class RunRefused(ParticipantError):
    """A run that was refused here, by the operator or by the policy."""
