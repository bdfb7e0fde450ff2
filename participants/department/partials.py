"""Partial scores of many enterprises, masked and under the bank's key: `docs/protocols.md`, "Scores of many".

| who        | learns                                                                                          |
|------------|-------------------------------------------------------------------------------------------------|
| department | whom the bank asks about                                                                        |
| bank       | the sum over departments for each enterprise; a single department's answer opens to a uniform word |
| bureau     | how many are asked about                                                                        |

The difference of two sums over sets that differ by one department is that department's partial. So each enterprise
is answered for one bank and model with one set of departments only (`answered.py`), never below three of them. A bank
that gave departments different lists could exchange one enterprise for another at a single department and read the
difference; the list is bound into the masks, so it would find uniform words.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crypto.errors import PeerError
from crypto.identifiers import EnterpriseId, ModelVersion, ParticipantId
from crypto.labels import Label
from crypto.lattice.parameters import ADDITION
from crypto.lattice.workers import LatticeWorkers
from models.enterprise_id import parse_enterprise_id
from models.wire.plan import require_enough_departments
from models.wire.scoring import EnterpriseList, PartialsReply, PartialsRequest
from models.wire.steps import Purpose, Step
from models.wire.training import Turn
from participants.department.answered import AnsweredSets
from participants.model_store import ModelStore
from participants.run import Run

ID_BYTES = 18


class PartialTable:
    """The partials of one model: one look-up an enterprise."""

    def __init__(self, store: ModelStore) -> None:
        store.facts()
        arrays = store.arrays()
        ids = arrays["enterprise_ids"].tobytes().decode("ascii")
        self._row = {ids[start : start + ID_BYTES]: start // ID_BYTES for start in range(0, len(ids), ID_BYTES)}
        self._partials = np.concatenate([arrays["partials"], arrays["missing"]])

    def words(self, enterprise_ids: tuple[EnterpriseId, ...]) -> NDArray[np.uint64]:
        """Partials `(enterprises,)` in two's complement; that of a record without values for who is not held."""
        rows = [self._row.get(enterprise_id, -1) for enterprise_id in enterprise_ids]
        words: NDArray[np.uint64] = self._partials[rows].view(np.uint64)
        return words


@lru_cache(maxsize=8)
def partial_table(models: Path, version: ModelVersion) -> PartialTable:
    """The table of a model in the home's `models` directory, read once a process."""
    return PartialTable(ModelStore(models, version))


class PartialsGiver:
    """Answers a bank's list."""

    def __init__(self, run: Run, workers: LatticeWorkers) -> None:
        self._run = run
        self._workers = workers

    def give(self, request: PartialsRequest) -> PartialsReply:
        """Verify the list, look the partials up, mask and encrypt them."""
        bank = ParticipantId(request.bank)
        turn = batch_turn(request.run_id, request.batch, request.departments, bank)
        self._run.check_turn(turn)
        require_enough_departments(len(request.departments))
        asked = EnterpriseList.decode(
            self._run.hear_sealed(request.list, Step.ASK_SCORES, turn, sender=bank, label=Label.SEALED_REQUEST)
        )
        ids = tuple(parse_enterprise_id(text) for text in asked.enterprise_ids)
        if not ids or len(set(ids)) != len(ids):
            raise PeerError("a list of enterprises is empty or names one twice")
        version = ModelVersion(asked.model_version)
        if ModelStore(self._run.home.directory / "models", version).facts()["run_id"] != self._run.plan.run_id:
            raise PeerError("a list asks for scores by the model of another run")
        words = partial_table(self._run.home.directory / "models", version).words(ids)
        AnsweredSets(self._run.home.directory / "answered.sqlite").claim(version, bank, ids, request.departments)
        # The list is part of the context: if departments were given different lists, nothing cancels.
        direction = f"{bank}/{hashlib.sha256(asked.encode()).hexdigest()}"
        context = self._run.mask_context(turn, Purpose.PARTIALS, direction, request.departments)
        masked = (words + self._run.secrets.zero_sum_mask(context, len(words))) % np.uint64(ADDITION.plain_modulus)
        key = self._run.bank_keys[bank].scoring
        return PartialsReply(ciphertexts=tuple(self._workers.encrypt_partials(key, masked)))


def batch_turn(run_id: str, batch: int, departments: tuple[str, ...], bank: ParticipantId) -> Turn:
    """The turn of a batch: its number stands for the round."""
    return Turn(run_id=run_id, round=batch, attempt=0, departments=departments, banks=(bank,))
