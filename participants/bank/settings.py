"""A bank's settings."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from models.hosting.operation.settings import Count, Seconds
from participants.settings import ParticipantSettings


class BankSettings(ParticipantSettings):
    """Settings of a bank's node."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_prefix="YURONG_BANK_")
    TITLE: ClassVar[str] = "A bank's node of a Yurong federation."

    answer_seconds: Seconds = Field(10.0, description="How long a score may take before it is asked for again.")
    requests_at_once: Count = Field(4, description="Requests under way at the same time when a portfolio is scored.")
