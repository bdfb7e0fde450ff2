"""A department cuts its features into bins and encodes each bank's cohort.

Bins come from all of the department's own records, labels play no part, and nothing but the number of parameters is
said to anybody. A row whose enterprise the department does not hold gets the bin for missing in every feature.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.binning import FeatureBins, fit_bins_within
from models.wire.binning import BlockShape
from participants.department.aligner import ABSENT
from participants.department.store import DepartmentStore
from participants.run import Run


class DepartmentBinner:
    """Fits the block's features once a run."""

    def __init__(self, run: Run, register: DepartmentStore) -> None:
        self._run = run
        self._register = register

    def bin(self) -> BlockShape:
        """Fit bins, encode the cohorts and keep both."""
        plan = self._run.plan
        values = self._register.features(self._register.enterprise_ids())
        features = fit_bins_within(values, parameter_limit=plan.parameter_limit, maximum_bins=plan.maximum_bins)
        codes = np.column_stack([bins.encode(values[bins.name]) for bins in features])
        self._run.store.write_facts("bins", {"features": [bins.to_json() for bins in features]})
        for bank in plan.bank_ids:
            rows = self._run.store.read_arrays(f"cohort/{bank}")["rows"]
            self._run.store.write_arrays(f"codes/{bank}", {"codes": cohort_codes(features, codes, rows)})
        return BlockShape(parameters=sum(bins.count for bins in features), entry_bits=0)


def cohort_codes(
    features: tuple[FeatureBins, ...], codes: NDArray[np.uint16], rows: NDArray[np.int64]
) -> NDArray[np.uint16]:
    """Codes `(len(rows), features)` of the register's `rows`; all missing where a row is `ABSENT`."""
    missing = np.array([bins.missing for bins in features], dtype=np.uint16)
    return np.where((rows == ABSENT)[:, None], missing, codes[rows])
