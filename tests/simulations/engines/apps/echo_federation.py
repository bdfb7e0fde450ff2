"""A tiny pair of apps for the deployment engine's test; both are loaded by name in processes of their own."""

import json
import os
import time
from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from coordinator.flower.bus import Bus, find_participants
from crypto.identifiers import RequestId, parse_participant_id
from participants.flower.client_app import client_app
from simulations.engines.run_settings import read_run_settings


class Echo:
    """Answers with its home's name, its process and the body."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def handle(self, kind: str, body: bytes) -> bytes:
        if kind == "leak":
            raise ValueError("secret value 42")
        return f"{self._home.name} {os.getpid()} {len(body)}".encode()


client = client_app(Echo)
server = ServerApp()


@server.main()
def main(grid: Grid, context: Context) -> None:
    config = read_run_settings(context.run_config)
    names = {parse_participant_id(name) for name in str(config["participants"]).split(",")}
    began = time.monotonic()
    directory = find_participants(grid, names, deadline_seconds=float(config["wait-seconds"]))
    bus = Bus(grid, directory)
    ready = time.monotonic() - began
    seconds, answers = [], {}
    body = os.urandom(int(config["bytes"]))
    for number in range(int(config["exchanges"])):
        began = time.monotonic()
        replies = bus.call(
            str(config["kind"]),
            dict.fromkeys(directory, body),
            deadline_seconds=120,
            request_id=RequestId(f"{context.run_id}/{number}"),
        )
        seconds.append(time.monotonic() - began)
        answers = {name: reply.decode() for name, reply in replies.items()}
        with Path(str(config["progress-path"])).open("a") as lines:
            lines.write(f"exchange {number} {seconds[-1]:.2f}\n")
    result = Path(str(config["result-path"]))
    partial = result.with_suffix(".partial")
    partial.write_text(json.dumps({"answers": answers, "seconds": seconds, "ready": ready}))
    partial.replace(result)
