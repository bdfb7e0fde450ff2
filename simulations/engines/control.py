"""What the engine asks of a SuperLink over its Control API: register a node, start a run, ask how it goes."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import httpx
from flwr.app.user_config import UserConfig
from flwr.cli.build import build_fab_from_files
from flwr.common.serde import fab_to_proto
from flwr.proto.control_pb2 import ListRunsRequest, RegisterNodeRequest, StartRunRequest
from flwr.supercore.control.control_http_client import ControlHttpClient
from flwr.supercore.fab import Fab

from crypto.identifiers import ParticipantId
from simulations.engines.errors import EngineError, EngineNotStarted

FINISHED: Final = "finished"
_KEY: Final = re.compile(r"[a-z][a-z0-9-]*")


@dataclass(frozen=True, slots=True)
class RunStatus:
    """Where a run stands: `status` pending, starting, running or finished, then `outcome` completed, failed or stopped.

    `details` is what a server app that failed said.
    """

    status: str
    outcome: str
    details: str


class Control:
    """A connection to the SuperLink at `address`, whose certificate `authority` must have signed."""

    def __init__(self, address: str, authority: Path) -> None:
        self._client = ControlHttpClient.from_server_address(address, False, authority.read_bytes(), [])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def answers(self) -> bool:
        """Whether the SuperLink is up."""
        try:
            self._client.ListRuns(ListRunsRequest())
        except httpx.HTTPError:
            return False
        return True

    def register(self, name: ParticipantId, public_key: bytes) -> int:
        """Admit the node with this key (PEM) under a participant's name; returns its node id."""
        request = RegisterNodeRequest(public_key=public_key, name=name)
        with _refused(f"to register {name}"):
            return self._client.RegisterNode(request).node_id

    def start(self, server_app: str, client_app: str, run_config: UserConfig) -> int:
        """Start a run of installed apps, each `module:attribute`; returns its id."""
        bundle = bundle_without_code(server_app, client_app, run_config)
        fab = Fab(hashlib.sha256(bundle).hexdigest(), bundle, {})
        with _refused("to start the run"):
            return self._client.StartRun(StartRunRequest(fab=fab_to_proto(fab))).run_id

    def status(self, run_id: int) -> RunStatus:
        """Where a run stands."""
        with _refused("to say how the run goes"):
            run = self._client.ListRuns(ListRunsRequest(run_id=run_id)).run_dict[run_id]
        return RunStatus(run.status.status, run.status.sub_status, run.status.details)


@contextmanager
def _refused(what: str) -> Iterator[None]:
    try:
        yield
    except httpx.HTTPError as fault:
        raise EngineError(f"the SuperLink failed {what}: {type(fault).__name__}", advice="Its log says why.") from None


def bundle_without_code(server_app: str, client_app: str, run_config: UserConfig) -> bytes:
    """A Flower app bundle that holds nothing but names of installed apps and the run's configuration.

    The code is each side's own installation. `run_config` goes to every participant, so it holds no secret.
    """
    lines = [
        *("[project]", 'name = "yurong-run"', 'version = "1.0.0"', 'description = ""', 'license = "GPL-3.0-or-later"'),
        *("[tool.flwr.app]", 'publisher = "yurong"'),
        *("[tool.flwr.app.components]", f'serverapp = "{server_app}"', f'clientapp = "{client_app}"'),
        *("[tool.flwr.app.config]", *_toml(run_config)),
    ]
    return build_fab_from_files({"pyproject.toml": "\n".join(lines).encode()})[0]


def _toml(values: Mapping[str, object]) -> list[str]:
    for key, value in values.items():
        if _KEY.fullmatch(key) is None or not isinstance(value, bool | int | float | str):
            raise EngineNotStarted(
                f"the run configuration's {key!r} cannot be passed on",
                advice="Keys are lower-case words with hyphens; values text, numbers or true and false.",
            )
    return [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
