"""Nodes that can serve at once, with a model that was drawn: what `init`, `pin`, `import` and a run leave.

The homes are made by the functions behind these commands, in this process: 28 nodes take seconds, where 28 operators at
their keyboards take minutes. Nothing in a home tells that it was made so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from coordinator.database import open_database
from coordinator.home import BureauHome
from coordinator.permissions import approve
from coordinator.registry import ModelRegistry
from coordinator.settings import BureauSettings
from crypto.documents import canonical_json
from crypto.identifiers import ParticipantId, Role
from models.enterprise_id import make_enterprise_ids
from models.hosting.command.founding import write_settings
from models.hosting.operation.settings import HostSettings
from participants.bank.settings import BankSettings
from participants.department.settings import DepartmentSettings
from participants.department.store import DepartmentStore
from participants.home import Home
from participants.model_store import ModelStore
from participants.records.contract import KEY_COLUMN, Category, DataContract, Item, ItemType
from simulations.drawn_model import DrawnFederation, draw_federation
from simulations.engines.ports import free_ports
from simulations.enterprise.given import give_consents
from simulations.local_federation.founding import BUREAU, Node
from simulations.local_federation.operator import Operator

_SETTINGS: Final[Mapping[Role, type[HostSettings]]] = {
    Role.BUREAU: BureauSettings,
    Role.DEPARTMENT: DepartmentSettings,
    Role.BANK: BankSettings,
}
_SEED: Final = 11
_RECORDS: Final = 10

Settings = Mapping[str, int | float | str | bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnNodes:
    """The nodes by name, none of which is started, and the numbers that were drawn."""

    nodes: Mapping[ParticipantId, Node]
    drawn: DrawnFederation

    def home(self, name: ParticipantId) -> Home:
        """The home of a department or a bank."""
        return Home.open(self.drawn.homes[name])

    @property
    def bureau(self) -> BureauHome:
        """The bureau's home."""
        return BureauHome.open(self.nodes[BUREAU].operator.home)


def found_drawn_nodes(
    directory: Path,
    *,
    departments: int,
    banks: int,
    enterprises: int,
    consenting: int | None = None,
    settings: Mapping[Role, Settings] | None = None,
) -> DrawnNodes:
    """Make the homes of a bureau, departments and banks below `directory`, with a model that is open for scores.

    consenting: so many enterprises, the first ones, have consented to each bank; all, if None. `settings` are set for
    all nodes of a role, beside their ports; nobody trains.
    """
    rng = np.random.default_rng(_SEED)
    nodes = {node.name: node for node in _nodes(directory, departments, banks, settings or {})}
    for node in nodes.values():
        assignments = [f"{key}={str(value).lower()}" for key, value in node.settings.items()]
        write_settings(node.operator.home, _SETTINGS[node.operator.role], assignments)
    drawn = draw_federation(
        directory,
        departments=departments,
        banks=banks,
        enterprise_ids=make_enterprise_ids(rng, enterprises),
        rng=rng,
        addresses={name: node.address for name, node in nodes.items()},
    )
    bureau = BureauHome.open(drawn.bureau)
    members = {name: Home.open(path) for name, path in drawn.homes.items()}
    for name in drawn.departments:
        _import_records(members[name], drawn)
    open_for_scores(bureau, members, drawn)
    give_consents(drawn, drawn.enterprise_ids[:consenting])
    return DrawnNodes(nodes=nodes, drawn=drawn)


def open_for_scores(bureau: BureauHome, members: Mapping[ParticipantId, Home], drawn: DrawnFederation) -> None:
    """Register the model at the bureau, and approve it."""
    database = open_database(bureau)
    store = ModelStore(drawn.homes[drawn.banks[0]] / "models", drawn.version)
    registry = ModelRegistry(database, clock=bureau.clock)
    documents = {name: home.document() for name, home in members.items()}
    registry.propose(drawn.version, canonical_json(store.manifest()), "A model that was drawn.", documents)
    approve(bureau, drawn.version)


def _nodes(directory: Path, departments: int, banks: int, settings: Mapping[Role, Settings]) -> Iterator[Node]:
    members = [(BUREAU, Role.BUREAU)]
    members += [(ParticipantId(f"department-{i:02d}"), Role.DEPARTMENT) for i in range(1, departments + 1)]
    members += [(ParticipantId(f"bank-{i:02d}"), Role.BANK) for i in range(1, banks + 1)]
    ports = iter(free_ports(2 * len(members)))
    for name, role in members:
        own: dict[str, int | float | str | bool] = {"listen_port": next(ports), "operations_port": next(ports)}
        if role is Role.BUREAU:
            own["training"] = False
        yield Node(
            operator=Operator(name=name, role=role, home=directory / name), settings=own | dict(settings.get(role, {}))
        )


def _import_records(home: Home, drawn: DrawnFederation) -> None:
    """A few records: a department without any is not ready."""
    item = Item(name="paid_in", title="Paid-in capital", type=ItemType.NUMBER, feature=True)
    category = Category(name="registration", title="Registration", items=(item,))
    contract = DataContract(holder=home.participant_id, title=home.title, categories=(category,))
    store = DepartmentStore.create(home.directory / "data", contract)
    ids = drawn.enterprise_ids[:_RECORDS]
    path = home.directory / "records.parquet"
    pl.DataFrame({KEY_COLUMN: ids, item.name: [1.0] * len(ids)}).write_parquet(path)
    store.import_file(path)
    path.unlink()
