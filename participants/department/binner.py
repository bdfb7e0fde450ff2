"""A department makes its block and encodes each bank's cohort.

Bins, or scales, come from all of the department's own records; labels play no part, and nothing but the number of
parameters is said to anybody. A row whose enterprise the department does not hold has every feature missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crypto.errors import ProtocolStateError
from models.additive import BinnedBlock
from models.binning import fit_bins_within
from models.block_file import AnyBlock, block_to_bytes
from models.linear import LinearBlock, fit_linear_feature
from models.wire.binning import BlockShape
from models.wire.plan import RunPlan
from participants.department.aligner import ABSENT, register_digest
from participants.department.store import DepartmentStore
from participants.records.features import FeatureValues
from participants.runs.run import Run

LINEAR_ENTRY_BITS = 7


class DepartmentBinner:
    """Makes the block once a run."""

    def __init__(self, run: Run, register: DepartmentStore) -> None:
        self._run = run
        self._register = register

    def bin(self) -> BlockShape:
        """Make the block, encode the cohorts and keep both; once a run."""
        plan = self._run.plan
        ids = self._register.enterprise_ids()
        if register_digest(ids) != self._run.store.read_bytes("register-digest"):
            raise ProtocolStateError(
                "the records were replaced since this run was aligned", advice="start a new run with the new records"
            )
        values = self._register.features(ids)
        block = make_block(values, plan)
        codes = block.encode(values)
        for bank in plan.bank_ids:
            rows = self._run.store.read_arrays(f"cohort/{bank}")["rows"]
            self._run.store.write_arrays(f"codes/{bank}", {"codes": cohort_codes(block, codes, rows)})
        self._run.store.write_bytes("block", block_to_bytes(block))
        return BlockShape(parameters=block.size, entry_bits=0 if plan.block == "binned" else LINEAR_ENTRY_BITS)


def make_block(values: Mapping[str, FeatureValues], plan: RunPlan) -> AnyBlock:
    """A block over all features, of the plan's kind and within its limits; its parameters are zero."""
    if plan.block == "linear":
        return LinearBlock([fit_linear_feature(name, column) for name, column in values.items()])
    return BinnedBlock(fit_bins_within(values, parameter_limit=plan.parameter_limit, maximum_bins=plan.maximum_bins))


def cohort_codes(block: AnyBlock, codes: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[Any]:
    """Codes `(len(rows), features)` of the register's `rows`; those of an absent enterprise where a row is `ABSENT`."""
    return np.where((rows == ABSENT)[:, None], block.absent_codes(1), codes[rows])
