"""What departments and banks set alike."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from crypto.errors import MalformedMessage
from crypto.passkeys import RelyingParty
from models.hosting.errors import SettingsRefused
from models.hosting.operation.settings import HostSettings


class ParticipantSettings(HostSettings):
    """Settings of a department's or a bank's node."""

    bureau: str = Field("bureau", description="The bureau's participant id; its document is pinned here.")
    fleet_address: str = Field(
        "",
        description="host:port of the bureau's edge, through which this node takes part in training. "
        "Empty: no training, scores only.",
    )
    fleet_poll_seconds: float = Field(
        0.2, ge=0.05, le=60, description="Pause between two looks for a message of a run, in seconds."
    )
    supernode_port: int = Field(
        9094, ge=1, le=65535, description="Port on loopback between the SuperNode and this node's executor."
    )
    lattice_workers: int = Field(
        0, ge=0, le=256, description="Processes for encrypted arithmetic in training. 0: one for each core."
    )
    passkey_domain: str = Field(
        "localhost",
        description="Domain of the portal where enterprises consent: their passkeys are made for it. "
        "localhost is for trying out.",
    )
    passkey_origins: list[str] = Field(
        ["http://localhost"],
        description="Pages of the portal on which a consent may be signed: https://, that domain or one below it.",
    )

    def relying_party(self) -> RelyingParty:
        """On whose pages an enterprise's passkey signs; raises `SettingsRefused`."""
        try:
            return RelyingParty(relying_party_id=self.passkey_domain, origins=tuple(self.passkey_origins))
        except MalformedMessage as fault:
            raise SettingsRefused(f"passkey_domain or passkey_origins: {fault.message}", advice=fault.advice) from None

    def training(self) -> dict[str, Any]:
        """What `participants.flower.training.training_services` is told by these settings."""
        workers = {"YURONG_WORKERS": str(self.lattice_workers)} if self.lattice_workers else {}
        return {
            "bureau": self.bureau,
            "edge": self.fleet_address,
            "runtime_port": self.supernode_port,
            "poll_seconds": self.fleet_poll_seconds,
            "environment": workers,
        }
