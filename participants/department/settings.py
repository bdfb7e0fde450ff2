"""A department's settings."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import SettingsConfigDict

from crypto.errors import ProtectionUnavailable
from models.hosting.operation.settings import CONFIG_FILE, Count, Seconds
from models.wire.plan import MINIMUM_DEPARTMENTS
from models.wire.score_statement import MAXIMUM_DEPARTMENTS
from participants.settings import ParticipantSettings


class DepartmentSettings(ParticipantSettings):
    """Settings of a department's node."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_prefix="YURONG_DEPARTMENT_")
    TITLE: ClassVar[str] = "A department's node of a Yurong federation."

    obfuscator_capacity: Count = Field(
        512,
        description="Obfuscators that are kept ready for each bank's key: so many scores can be answered at full speed "
        "after a quiet time. Each takes 4 ms of a core to make and 0.8 kB.",
    )
    obfuscator_low: Count = Field(
        32,
        validate_default=True,  # a capacity below it may be all that is set
        description="When fewer are left they are made at once; until then only in quiet moments.",
    )
    obfuscator_idle_seconds: Seconds = Field(1.0, description="A moment is quiet when nobody asked for so long.")
    scoring_threads: Count = Field(2, description="Threads that answer score requests.")
    minimum_departments: int = Field(
        MINIMUM_DEPARTMENTS,
        ge=MINIMUM_DEPARTMENTS,
        le=MAXIMUM_DEPARTMENTS,
        description="The fewest departments, this one among them, in whose sum it gives its part of a score. "
        "With fewer up nobody is scored by a model that it has a part of.",
    )

    witness_quorum: int = Field(
        0,
        ge=0,
        le=MAXIMUM_DEPARTMENTS,
        description="How many departments have to stand for a state of the log before a request in it is answered. "
        "0: more than half of all that are pinned here, this one among them.",
    )

    scores_of_many: bool = Field(
        False,
        description="Whether a bank's whole list is scored within a run of training, where nobody on it is asked for "
        "consent.",
    )

    @field_validator("obfuscator_low")
    @classmethod
    def _within_the_capacity(cls, low: int, others: ValidationInfo) -> int:
        capacity = others.data.get("obfuscator_capacity", low)
        if low > capacity:
            raise ValueError(f"{low} is above obfuscator_capacity, which is {capacity}")
        return low


def require_scores_of_many(home: Path) -> None:
    """Raise `ProtectionUnavailable` unless the node's settings let lists be scored; a home without any lets them."""
    if (home / CONFIG_FILE).exists() and not DepartmentSettings.read(home).scores_of_many:
        raise ProtectionUnavailable(
            "this department scores no lists: nobody on them is asked for consent",
            advice="Ask for each enterprise under its consent, or agree on `scores_of_many` with the department.",
        )


def smallest_set(home: Path) -> int:
    """The `minimum_departments` of the home in this directory; the least there is if the home has no settings."""
    if not (home / CONFIG_FILE).exists():
        return MINIMUM_DEPARTMENTS
    return DepartmentSettings.read(home).minimum_departments
