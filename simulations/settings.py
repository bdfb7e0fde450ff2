"""Which data sets there are to try, and the settings of training that suit each.

A block may have so many parameters that `rows >= 10 * rounds * parameters` holds (`models/wire/plan.py`), with two
rounds to spare for attempts that are made again: these count as well.
"""

from __future__ import annotations

from pathlib import Path

from simulations.command.choices import DataSet
from simulations.datasets import load_sba, load_uci
from simulations.errors import DatasetUnusable
from simulations.federation_data import FederationData
from simulations.run_federation import Hyperparameters
from simulations.world import make_world

SETTINGS: dict[DataSet, Hyperparameters] = {
    DataSet.WORLD: Hyperparameters(maximum_rounds=10, parameter_limit=52),
    DataSet.SBA: Hyperparameters(maximum_rounds=22, parameter_limit=65),
    DataSet.UCI: Hyperparameters(maximum_rounds=22, parameter_limit=87),
}


def load(data: DataSet, file: Path | None) -> FederationData:
    """The data set; raises `DatasetUnusable` if it needs a file that is not given, or takes none that is."""
    if data is DataSet.WORLD:
        if file is not None:
            raise DatasetUnusable("the synthetic world takes no file", advice="leave --file out, or name --data")
        return make_world()
    if file is None:
        raise DatasetUnusable(
            f"the data set {data} is read from a file that Yurong may not redistribute",
            advice="name it with --file; the README says where the file comes from",
        )
    return load_sba(file) if data is DataSet.SBA else load_uci(file)
