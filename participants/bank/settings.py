"""A bank's settings."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from crypto.identifiers import ParticipantId, parse_participant_id
from crypto.passkeys import RelyingParty
from models.hosting.operation.settings import CONFIG_FILE, Count, Seconds
from participants.home import Home
from participants.settings import ParticipantSettings


class BankSettings(ParticipantSettings):
    """Settings of a bank's node."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_prefix="YURONG_BANK_")
    TITLE: ClassVar[str] = "A bank's node of a Yurong federation."

    answer_seconds: Seconds = Field(10.0, description="How long a score may take before it is asked for again.")
    requests_at_once: Count = Field(4, description="Requests under way at the same time when a portfolio is scored.")


def relying_party_of(home: Home) -> RelyingParty:
    """On whose pages enterprises consent, by a home's settings; by the defaults if it has none."""
    return _settings_of(home).relying_party()


def bureau_of(home: Home) -> ParticipantId:
    """Whom a bank asks, by its home's settings; by the defaults if it has none."""
    return parse_participant_id(_settings_of(home).bureau)


def _settings_of(home: Home) -> BankSettings:
    has_settings = (home.directory / CONFIG_FILE).exists()
    return BankSettings.read(home.directory) if has_settings else BankSettings.model_construct()
