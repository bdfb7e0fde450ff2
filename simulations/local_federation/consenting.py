"""Enterprises of a local federation at their keyboards: each registers its passkey and consents to what its bank asks.

Until there is a portal, files go from one to the other:

    enterprise  -- registration -->  registrar     who has seen the person and the licence, and signs
    registrar   -- binding ------->  enterprise
    enterprise  -- consent ------->  bank          which hands it in: into the log, and to the departments
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

from crypto.identifiers import EnterpriseId, ParticipantId, Role
from simulations.local_federation.federation import LocalFederation
from simulations.local_federation.operator import Operator, Say, run_command

ENTERPRISES: Final = "enterprises"
WITH_REASONS: Final = ("--computation", "score-with-reasons", "--reasons-opened-by", "bank")
"""What an enterprise adds to its consent, if the bank may tell it why its score is not better."""
_AT_ONCE: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Enterprise:
    """Who signs for one enterprise. home: the directory with its passkey. `say` hears every command that is typed."""

    enterprise_id: EnterpriseId
    home: Path
    say: Say = lambda _: None

    def type(self, *arguments: str) -> str:
        """Type `yurong enterprise <arguments>` and return what it printed; raises `CommandFailed`."""
        return run_command(["enterprise", *arguments, "--home", str(self.home)], home=self.home, say=self.say)

    def ask(self, *arguments: str) -> Any:
        """The same with `--json`, read."""
        return json.loads(self.type(*arguments, "--json"))

    def register(self, registrar: Operator) -> None:
        """Make a passkey, go to the registrar with it, and keep what that signed."""
        request = self.ask("register", self.enterprise_id, "--registrar", registrar.name)["registration"]
        binding = registrar.ask("register-passkey", request, "--seen")["binding"]
        self.type("registered", binding)

    def consent(self, bank: ParticipantId, departments: Iterable[ParticipantId], *options: str) -> dict[str, Any]:
        """Consent to a bank and departments; what the command says, with the `file` for the bank."""
        named = (word for name in departments for word in ("--department", name))
        consent: dict[str, Any] = self.ask("consent", "--bank", bank, *named, *options)
        return consent


def have_consented(
    running: LocalFederation,
    registrar: ParticipantId,
    enterprises: Mapping[ParticipantId, Sequence[Enterprise]],
    *,
    with_reasons: Sequence[Enterprise] = (),
) -> None:
    """Have all enterprises register and consent to the bank that they stand under, and every bank hand in what it got.

    registrar: the department that they register with. with_reasons: whose bank may tell them why a score is not better.
    """
    desk, departments = running.nodes[registrar].operator, running.named(Role.DEPARTMENT)

    def consented(enterprise: Enterprise, bank: ParticipantId) -> str:
        enterprise.register(desk)
        options = WITH_REASONS if enterprise in with_reasons else ()
        return str(enterprise.consent(bank, departments, *options)["file"])

    with ThreadPoolExecutor(_AT_ONCE) as hands:
        files = {bank: [hands.submit(consented, one, bank) for one in several] for bank, several in enterprises.items()}
        for bank, given in files.items():
            running.nodes[bank].operator.type("consent", "deposit", *(one.result() for one in given))


def enterprises_of(
    banks: Mapping[ParticipantId, Iterable[EnterpriseId]], directory: Path, *, say: Say = lambda _: None
) -> dict[ParticipantId, tuple[Enterprise, ...]]:
    """Enterprises of each bank, with directories below `directory` that are numbered: their ids are secret."""
    numbers = count(1)
    return {
        bank: tuple(
            Enterprise(enterprise_id=one, home=directory / ENTERPRISES / str(next(numbers)), say=say) for one in ids
        )
        for bank, ids in banks.items()
    }
