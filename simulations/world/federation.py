"""The data of a whole federation in a synthetic world."""

from dataclasses import replace
from typing import Any

from simulations.federation_data import FederationData
from simulations.world.clientele import bank_books
from simulations.world.economy import ground_truth, make_economy
from simulations.world.parameters import WorldParameters
from simulations.world.records import department_data


def make_world(parameters: WorldParameters | None = None, **changes: Any) -> FederationData:
    """Return what every department and bank of a world holds.

    `changes` to the parameters may be given by name: `make_world(departments=26, month=3)`. `WorldRefused` when no
    world can be made with them.
    """
    chosen = replace(parameters or WorldParameters(), **changes)
    economy = make_economy(chosen)
    truth = ground_truth(chosen, economy)
    return FederationData(
        name="world",
        title="A synthetic Chongqing 合成重庆",
        departments=tuple(department_data(chosen, economy, index) for index in range(chosen.departments)),
        banks=bank_books(chosen, economy, truth),
    )
