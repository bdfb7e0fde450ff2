"""Flower's SuperLink and its executor of server apps, as two supervised processes on the loopback.

    link = SuperLink.prepare(directory, port=port)
    for service in link.services(environment={"YURONG_BUREAU": ...}):
        supervisor.start(service)
    with link.control() as control: ...

What is kept in `directory`, with mode 0600 where it is secret:

| file                  | what                                                                                |
|-----------------------|-------------------------------------------------------------------------------------|
| state.sqlite          | nodes, runs and messages: a SuperLink that is killed goes on with them               |
| link.pem, link.key    | a certificate for 127.0.0.1, made anew with each start of the bureau                 |
| control.key           | what callers of the Control API show (`link_guard.py`)                               |
| executor.secret       | what the executor of server apps proves to have before it is given a run             |

The executor is a process of its own, so the server app of a run lives on when the SuperLink is killed; it waits until
the SuperLink is back and the run goes on. Messages are ciphertexts, masked or public by the protocols; they are in
state.sqlite until they are delivered.
"""

import datetime as dt
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from coordinator.flower.control import Control
from crypto.certificates import certificate_pem, make_certificate
from models.hosting.operation.flower import flower_environment
from models.hosting.operation.supervisor import Service
from models.hosting.storage.files import private_directory, private_file

LOOPBACK: Final = "127.0.0.1"
LINK: Final = "superlink"
EXECUTOR: Final = "superexec"
_RESTART_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class SuperLink:
    """Where a SuperLink keeps its files, and the port on the loopback that it listens on."""

    directory: Path
    port: int

    @classmethod
    def prepare(cls, directory: Path, *, port: int) -> Self:
        """Make what is missing in `directory`, and a new certificate."""
        private_directory(directory)
        link = cls(directory.resolve(), port)
        certificate = make_certificate(LOOPBACK, now=dt.datetime.now(dt.UTC))
        private_file(link.certificate, certificate_pem(certificate.certificate_der))
        private_file(link.directory / "link.key", certificate.private_key)
        for name, secret in (
            ("control.key", secrets.token_hex(32).encode()),
            ("executor.secret", secrets.token_bytes(32)),
        ):
            if not (link.directory / name).exists():
                private_file(link.directory / name, secret)
        return link

    @property
    def address(self) -> str:
        """Where it listens, as host:port."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def certificate(self) -> Path:
        """The file of its certificate (PEM), which is its own trust anchor."""
        return self.directory / "link.pem"

    def control(self) -> Control:
        """A new connection to its Control API."""
        return Control(self.address, self.certificate, (self.directory / "control.key").read_bytes())

    def answers(self) -> bool:
        """Whether it is up."""
        with self.control() as control:
            return control.answers()

    def services(self, *, environment: Mapping[str, str] | None = None) -> tuple[Service, Service]:
        """The SuperLink and its executor. `environment` is what server apps see beside the supervisor's own.

        Neither they nor server apps open the home, so they do not see its passphrase.
        """
        flower = {**flower_environment(self.directory / "flower"), **(environment or {})}
        secret = ["--superexec-auth-secret-file", str(self.directory / "executor.secret")]
        link = [
            *("--control-key-file", str(self.directory / "control.key")),
            *("--host", LOOPBACK, "--port", str(self.port), "--enable-supernode-auth"),
            *("--ssl-ca-certfile", str(self.certificate), "--ssl-certfile", str(self.certificate)),
            *("--ssl-keyfile", str(self.directory / "link.key")),
            *("--database", str(self.directory / "state.sqlite"), "--isolation", "process", *secret),
            "--disable-runtime-dependency-installation",
        ]
        executor = ["--runtime-api-address", self.address, "--root-certificates", str(self.certificate), *secret]
        return (
            Service(
                LINK,
                "coordinator.flower.link_program:main",
                link,
                _RESTART_SECONDS,
                lambda _started_at: self.answers(),
                flower,
                opens_home=False,
            ),
            Service(
                EXECUTOR,
                "coordinator.flower.executor_program:main",
                executor,
                _RESTART_SECONDS,
                environment=flower,
                opens_home=False,
            ),
        )
