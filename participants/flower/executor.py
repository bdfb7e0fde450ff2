"""The participant's own executor: runs the installed app, keeps it warm, and lets nothing else in.

    python -m participants.flower.executor --runtime-api 127.0.0.1:9094 --secret-file FILE

Stock Flower starts a new process for every message and runs in it whatever app the coordinator sent. A SuperNode that
is started with `--isolation process` leaves that to a program of the participant's; this is ours. It takes one task at
a time from the SuperNode on the same machine, proves by the shared secret that it may, and hands the message to the app
*installed here*. The app bundle that came with the run is never unpacked or run: it must be the one that holds no code
and names this very release's apps (`models/wire/app_bundle.py`), or the message is refused with an error code and
nothing else. Keys, pools and models stay loaded from message to message.

It uses modules of Flower that are not its public interface; `pyproject.toml` pins the version, and the engine's
end-to-end test is the contract. Without it everything still works on stock SuperNodes, at about 6 s an exchange.
"""

import argparse
import functools
import importlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import httpx
from flwr.app import Context, Error, Message
from flwr.clientapp import ClientApp
from flwr.common.constant import ErrorCode, SubStatus
from flwr.proto.runtime_pb2 import AcquireTaskRequest, SendTaskHeartbeatRequest
from flwr.supercore.constant import TaskType
from flwr.supercore.heartbeat import HeartbeatSender
from flwr.supercore.interceptors import (
    RuntimeTokenHttpInterceptor,
    RuntimeVersionHttpInterceptor,
    SuperExecAuthHttpInterceptor,
)
from flwr.supercore.protobuf.client import ProtobufClientInterceptor
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supernode.runtime.run_clientapp import pull_task_input, push_message, push_task_output

from models.errors import BundleRefused
from models.hosting.operation.logs import configure_logs
from models.wire.app_bundle import CLIENT_APP, SERVER_APP, check_bundle
from participants.flower.pauses import shorten_heartbeats, shorten_object_backoff

_ACQUIRE: Final = "/flwr.proto.Runtime/AcquireTask"
_RECONNECT_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 1.0
_LOOKS: Final = 20

_log = logging.getLogger(__name__)


class PinnedExecutor:
    """Takes tasks from one SuperNode and runs them with one app.

    `runtime_api`: host:port of the SuperNode's Runtime API, on this machine. `secret`: what the SuperNode was given
    with `--superexec-auth-secret-file`, so that no other program on this machine can take its tasks. `check`: raises
    `BundleRefused` for the bundle of a run that is not taken part in.
    """

    def __init__(
        self,
        runtime_api: str,
        secret: bytes,
        app: ClientApp,
        *,
        check: Callable[[bytes], None] = check_bundle,
        poll_seconds: float = 0.05,
    ) -> None:
        self._runtime_api = runtime_api
        self._app = app
        self._check = check
        self._poll_seconds = poll_seconds
        signer = SuperExecAuthHttpInterceptor(master_secret=secret, protected_methods={_ACQUIRE})
        self._tasks = self._connect("SuperExec", signer)

    def serve(self, *, while_true: Callable[[], bool] = lambda: True) -> None:
        """Take and run tasks for as long as `while_true`."""
        request = AcquireTaskRequest(supported_task_types=[TaskType.CLIENT_APP])
        busy_at = time.monotonic()
        while while_true():
            try:
                task = self._tasks.AcquireTask(request)
            except httpx.HTTPError as fault:
                if isinstance(fault, httpx.HTTPStatusError) and fault.response.status_code == httpx.codes.UNAUTHORIZED:
                    raise SystemExit("the SuperNode does not accept this executor's secret") from None
                _log.warning("the SuperNode at %s does not answer: %s", self._runtime_api, type(fault).__name__)
                time.sleep(_RECONNECT_SECONDS)
                continue
            if task.HasField("task") and task.token:
                self._run(task.token)
                busy_at = time.monotonic()
            else:
                time.sleep(pause_seconds(self._poll_seconds, idle_for=time.monotonic() - busy_at))

    def close(self) -> None:
        """Leave the SuperNode."""
        self._tasks.close()

    def _connect(self, component: str, credential: ProtobufClientInterceptor) -> RuntimeHttpClient:
        return RuntimeHttpClient.from_server_address(
            server_address=self._runtime_api,
            insecure=True,  # loopback within one machine; the SuperNode's way out is TLS
            root_certificates=None,
            interceptors=[RuntimeVersionHttpInterceptor(component_name=component), credential],
            # No retries of Flower's: they end the whole process when one task's token has expired.
            retry_invoker=None,
        )

    def _run(self, token: str) -> None:
        client = self._connect("flwr-clientapp", RuntimeTokenHttpInterceptor(token))
        heartbeat = HeartbeatSender(_heartbeat(client))
        heartbeat.start()
        try:
            message, context, _, bundle = pull_task_input(client)
            push_message(client, self._answer(message, context, bundle.content), context)
            # The details are empty on purpose: they would travel.
            push_task_output(client, context, SubStatus.COMPLETED, "")
        except Exception:  # noqa: BLE001 - the run may have ended meanwhile; the next task must find us alive
            # It is not reported as failed: the SuperNode would wait for its reply forever. Without a heartbeat it
            # counts as crashed, which is an answer, and the next message comes.
            _log.exception("a task could not be finished")
        finally:
            heartbeat.stop()
            client.close()

    def _answer(self, message: Message, context: Context, bundle: bytes) -> Message:
        try:
            self._check(bundle)
            return self._app(message, context)
        except BundleRefused as fault:
            _log.warning("a run was refused", extra={"error": fault})
            return Message(Error(ErrorCode.INVALID_FAB, ""), reply_to=message)
        except Exception:  # noqa: BLE001 - its text may quote what the participant holds
            _log.exception("the app failed on a message")
            return Message(Error(ErrorCode.CLIENT_APP_RAISED_EXCEPTION, ""), reply_to=message)


def _heartbeat(client: RuntimeHttpClient) -> Callable[[], bool]:
    def beat() -> bool:
        try:
            client.SendTaskHeartbeat(SendTaskHeartbeatRequest())
        except httpx.HTTPError:
            return False
        return True

    return beat


def pause_seconds(shortest: float, *, idle_for: float) -> float:
    """How long to wait for the next look: a twentieth of the time since the last task, within 1 s.

    Twenty looks a second of every participant would take as much of a machine as their part in training does.
    """
    return max(shortest, min(_LONGEST_PAUSE_SECONDS, idle_for / _LOOKS))


def load_app(reference: str) -> ClientApp:
    """The installed app that `module:attribute` names."""
    module, _, attribute = reference.partition(":")
    app = getattr(importlib.import_module(module), attribute)
    if not isinstance(app, ClientApp):
        raise TypeError(f"{reference} is not a ClientApp")
    return app


def main() -> None:
    """Read the command line and serve until stopped."""
    parser = argparse.ArgumentParser(prog="participants.flower.executor", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runtime-api", required=True, metavar="HOST:PORT", help="the SuperNode's Runtime API")
    parser.add_argument("--secret-file", required=True, type=Path, help="the secret shared with the SuperNode")
    parser.add_argument("--client-app", default=CLIENT_APP, metavar="MODULE:NAME", help="the installed app")
    parser.add_argument("--server-app", default=SERVER_APP, metavar="MODULE:NAME", help="the bureau's app of a run")
    parser.add_argument("--poll-seconds", default=0.05, type=float, help="pause between two looks for a task")
    options = parser.parse_args()
    configure_logs()  # the text of an error of a library may quote a record
    os.umask(0o077)
    # Ended in order, so that worker processes of the node's end with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if not (shorten_object_backoff() and shorten_heartbeats()):
        _log.warning("this is not the version of Flower whose pauses are known; they stay as they are")
    app = load_app(options.client_app)
    check = functools.partial(check_bundle, server_app=options.server_app, client_app=options.client_app)
    secret = options.secret_file.read_bytes()
    PinnedExecutor(options.runtime_api, secret, app, check=check, poll_seconds=options.poll_seconds).serve()


if __name__ == "__main__":
    main()
