"""Founding a federation of separate nodes: the commands that their operators type, one after the other.

Every node is initialised, every operator reads its fingerprint out, everybody pins everybody, the bureau makes its log
and permits one department to register passkeys, and each imports its file.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from crypto.identifiers import ParticipantId, Role
from simulations.engines.ports import free_ports
from simulations.federation_data import BankData, DepartmentData, FederationData
from simulations.local_federation.operator import Operator, Say

BUREAU: Final = ParticipantId("bureau")
FILES: Final = "files"
LOOPBACK: Final = "127.0.0.1"
_AT_ONCE: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Node:
    """One node of the federation. `settings`: its ports, and what else is not as `init` would leave it."""

    operator: Operator
    settings: Mapping[str, int | float | str | bool]

    @property
    def name(self) -> ParticipantId:
        """Its participant id."""
        return self.operator.name

    @property
    def address(self) -> str:
        """Its address in its document."""
        return f"https://{self.settings.get('listen_host', LOOPBACK)}:{self.settings['listen_port']}"

    @property
    def operations(self) -> str:
        """Where it says how it does."""
        return f"http://{LOOPBACK}:{self.settings['operations_port']}"


def lay_out(
    data: FederationData,
    directory: Path,
    *,
    say: Say,
    settings: Mapping[Role, Mapping[str, int]],
    hosts: Mapping[Role, str] | None = None,
) -> dict[ParticipantId, Node]:
    """Give every node of a federation a home below `directory` and ports of its own. Nothing is made yet.

    `settings` are set for all nodes of a role, beside the ports. `hosts`: the address of a role's machine.
    """
    hosts = hosts or {}
    members = [(BUREAU, Role.BUREAU)]
    members += [(one.participant_id, Role.DEPARTMENT) for one in data.departments]
    members += [(one.participant_id, Role.BANK) for one in data.banks]
    ports = iter(free_ports(4 * len(members)))
    edge_port = next(ports)
    nodes = {}
    for name, role in members:
        own: dict[str, int | str | bool] = {"listen_port": next(ports), "operations_port": next(ports)}
        if role in hosts:
            own["listen_host"] = hosts[role]
        if role is Role.BUREAU:
            own |= {"edge_port": edge_port, "superlink_port": next(ports)}
            own |= {"edge_host": hosts[role]} if role in hosts else {}
        else:
            edge = f"{hosts.get(Role.BUREAU, LOOPBACK)}:{edge_port}"
            own |= {"supernode_port": next(ports), "fleet_address": edge}
        operator = Operator(name=name, role=role, home=directory / "homes" / name, say=say)
        nodes[name] = Node(operator=operator, settings=own | dict(settings.get(role, {})))
    return nodes


def found_nodes(data: FederationData, nodes: Mapping[ParticipantId, Node], directory: Path) -> None:
    """Have every operator found its node, read out its fingerprint, pin the others and import its file."""
    files = data.write(directory / FILES, table_format="parquet")
    members = {member.participant_id: member for member in data.members}
    with ThreadPoolExecutor(_AT_ONCE) as hands:
        told = list(hands.map(lambda node: _initialise(node, members.get(node.name), files), nodes.values()))
        _pin_one_another(dict(zip(nodes.values(), told, strict=True)), directory, hands)
        nodes[BUREAU].operator.type("log", "create")
        nodes[BUREAU].operator.type("permit", registrar_of(data), "--register-passkeys")
        list(hands.map(lambda name: _import(nodes[name], files[name]), sorted(files)))


def registrar_of(data: FederationData) -> ParticipantId:
    """The department that says whose passkey is whose."""
    return data.departments[0].participant_id


@dataclass(frozen=True, slots=True)
class _Told:
    """What a node's `init` said: the document to hand over, and the fingerprint to read out."""

    document: str
    fingerprint: str


def _initialise(node: Node, member: DepartmentData | BankData | None, files: Mapping[ParticipantId, Path]) -> _Told:
    arguments = ["--address", node.address]
    for key, value in node.settings.items():
        arguments += ["--set", f"{key}={str(value).lower() if isinstance(value, bool) else value}"]
    if member is None:
        arguments += ["--title", "Big Data Development Bureau"]
    else:
        arguments += ["--title", member.title, "--contract", str(files[node.name].with_name("contract.toml"))]
    told = node.operator.ask("init", node.name, *arguments)
    return _Told(told["document"], told["fingerprint"])


def _pin_one_another(told: Mapping[Node, _Told], directory: Path, hands: ThreadPoolExecutor) -> None:
    written_down = directory / FILES / "fingerprints"
    lines = (f"{node.name} {said.fingerprint}\n" for node, said in told.items())
    written_down.write_text("".join(lines), encoding="utf-8")

    def pin(node: Node) -> None:
        others = [said.document for other, said in told.items() if other is not node]
        command = "admit" if node.operator.role is Role.BUREAU else "pin"
        node.operator.type(command, *others, "--fingerprints", str(written_down))

    list(hands.map(pin, told))


def _import(node: Node, file: Path) -> None:
    node.operator.type("import" if node.operator.role is Role.DEPARTMENT else "import-labels", str(file))
