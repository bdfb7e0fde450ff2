"""The bureau's settings."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from models.hosting.operation.settings import Count, HostSettings, Port, Seconds


class BureauSettings(HostSettings):
    """Settings of the bureau's node."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_prefix="YURONG_BUREAU_")
    TITLE: ClassVar[str] = "The bureau's node of a Yurong federation. `listen` is the gateway of the banks."

    training: bool = Field(True, description="Whether runs of training are conducted. false: scores only.")
    edge_host: str = Field("127.0.0.1", description="Address that the edge binds: the participants' way to Flower.")
    edge_port: Port = Field(8444, description="Port of the edge.")
    superlink_port: Port = Field(9092, description="Port of Flower's SuperLink, on loopback and never anywhere else.")
    answer_seconds: Seconds = Field(
        2.0, description="How long all departments together may take for one score. Who takes longer is named as down."
    )
    scores_at_once: Count = Field(8, description="Scores that are worked on at the same time.")
    scores_waiting: Count = Field(
        64, description="Requests that may wait for each bank; one more is sent away for a while."
    )
    exchange_seconds: Seconds = Field(
        300.0, description="How long participants may take for one step of a run, restarts included."
    )
    approval_seconds: float = Field(
        604_800.0, gt=0, le=7_776_000, description="How long a run waits for the approval of all its participants."
    )
    attempts: Count = Field(
        5, description="How often a run is started again without finishing a round before it is given up."
    )
