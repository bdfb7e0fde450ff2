"""The program that starts the server app of each run: Flower's own, but for how it starts the app and watches it.

    python -m coordinator.flower.executor_program FLAGS          (those of `flower-superexec`)

Flower passes a server app its task's token on the command line, where every user of the machine can read it; whoever
has it may speak for the run. Ours gets it in its environment, which only its own user can read. And Flower notices a
server app that was killed when its heartbeat has been missing for a minute; here who started it says so at once, so
that the run can be taken up again.
"""

import contextlib
import os
import subprocess
import sys
import threading
from typing import Final

import httpx
from flwr.common.constant import SubStatus
from flwr.proto.runtime_pb2 import PushTaskOutputRequest
from flwr.supercore.cli.flower_superexec import flower_superexec
from flwr.supercore.constant import TASK_TYPE_TO_APPIO_API_ADDRESS_ARG, TaskType
from flwr.supercore.interceptors import RuntimeTokenHttpInterceptor, RuntimeVersionHttpInterceptor
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supercore.superexec.executor.subprocess_executor import SubprocessExecutor
from flwr.supercore.superexec.executor.types import ExecutionSpec, LaunchResult
from flwr.supercore.version import package_version
from flwr.superlink.cli import flwr_serverapp

from coordinator.errors import FlowerUnknown

KNOWN_VERSION: Final = "1.41.0"
TOKEN_VARIABLE: Final = "YURONG_TASK_TOKEN"  # noqa: S105 - the name of a variable
KILLED: Final = "the server app was ended from outside"


def launch(_executor: SubprocessExecutor, spec: ExecutionSpec) -> LaunchResult:
    """Start the server app of one run, and watch it. Nothing but a server app is ever started."""
    if spec.task_type != TaskType.SERVER_APP or spec.root_certificates_path is None:
        return LaunchResult.failed("only server apps are run here, over TLS")
    command = [
        *(sys.executable, "-m", "coordinator.flower.executor_program"),
        *(TASK_TYPE_TO_APPIO_API_ADDRESS_ARG[spec.task_type], spec.runtime_api_address),
        *("--root-certificates", spec.root_certificates_path),
        *("--parent-pid", str(os.getpid())),
    ]
    process = subprocess.Popen(command, env={**os.environ, TOKEN_VARIABLE: spec.token})  # noqa: S603 - ours
    threading.Thread(target=_watch, args=(process, spec), daemon=True, name=f"watch-{process.pid}").start()
    return LaunchResult.accepted()


def _watch(process: "subprocess.Popen[bytes]", spec: ExecutionSpec) -> None:
    if process.wait() == 0:
        return
    client = RuntimeHttpClient.from_server_address(
        spec.runtime_api_address,
        insecure=False,
        root_certificates=spec.root_certificates_path,
        interceptors=[RuntimeVersionHttpInterceptor("flwr-serverapp"), RuntimeTokenHttpInterceptor(spec.token)],
        retry_invoker=None,
    )
    # A server app that failed by itself has said so, and its token is good for nothing more.
    with contextlib.suppress(httpx.HTTPError):
        client.PushTaskOutput(PushTaskOutputRequest(sub_status=SubStatus.FAILED, details=KILLED))
    client.close()


def main() -> None:
    """Be the executor; or, with a token in the environment, the server app that it started."""
    if (token := os.environ.pop(TOKEN_VARIABLE, None)) is not None:
        sys.argv += ["--token", token]
        flwr_serverapp()
        return
    if package_version != KNOWN_VERSION or not callable(getattr(SubprocessExecutor, "launch", None)):
        raise FlowerUnknown("Flower starts server apps in a way that is not known here")
    os.umask(0o077)
    setattr(SubprocessExecutor, "launch", launch)  # noqa: B010 - a plain assignment is a type error, rightly
    flower_superexec()


if __name__ == "__main__":
    main()
