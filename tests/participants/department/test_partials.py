"""Partials of a batch at a department, and the bank that gives departments different lists."""

from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from crypto.errors import PeerError, ProtectionUnavailable
from crypto.identifiers import EnterpriseId, ParticipantId, RunId
from crypto.labels import Label
from crypto.lattice.keys import LatticePublicKey
from crypto.lattice.parameters import ADDITION
from crypto.lattice.workers import LatticeWorkers
from models.hosting.operation.settings import CONFIG_FILE
from models.wire.scoring import EnterpriseList, PartialsRequest
from models.wire.steps import Step
from participants.bank.scores import signed_partials
from participants.department.partials import PartialsGiver, batch_turn
from participants.runs.ledger import FileLedger
from participants.runs.run import Run
from simulations.online_rehearsal import OnlineRehearsal

Words = NDArray[np.uint64]


class OpenWorkers:
    """Encrypts nothing: what comes out is what a bank and a bureau find in one department's answer."""

    def encrypt_partials(self, _key: LatticePublicKey, words: Words) -> list[bytes]:
        return [words.tobytes()]


def run_of(rehearsal: OnlineRehearsal, name: ParticipantId) -> Run:
    home = rehearsal.home(name)
    return Run(home, home.identity(), FileLedger(home.directory / "ledger"), RunId("drawn"))


def answers(rehearsal: OnlineRehearsal, lists: dict[ParticipantId, list[EnterpriseId]]) -> dict[ParticipantId, Words]:
    """What each department answers when the bank gives it this list."""
    batch = rehearsal.unused()  # a number that no other batch has
    bank, members = run_of(rehearsal, rehearsal.bank), tuple(sorted(lists))
    turn = batch_turn("drawn", batch, members, rehearsal.bank)
    found = {}
    for name, ids in lists.items():
        body = EnterpriseList(model_version=rehearsal.drawn.version, enterprise_ids=tuple(ids)).encode()
        request = PartialsRequest(
            run_id="drawn",
            batch=batch,
            bank=rehearsal.bank,
            departments=members,
            list=bank.say_sealed(Step.ASK_SCORES, turn, body, to=name, label=Label.SEALED_REQUEST),
        )
        giver = PartialsGiver(run_of(rehearsal, name), cast("LatticeWorkers", OpenWorkers()))
        found[name] = np.frombuffer(giver.give(request).ciphertexts[0], np.uint64)
    return found


def summed(words: dict[ParticipantId, Words]) -> NDArray[np.float64]:
    total: Words = np.sum(list(words.values()), axis=0, dtype=np.uint64)
    reduced: Words = total & np.uint64(ADDITION.plain_modulus - 1)
    return signed_partials(reduced)


def test_masked_partials_sum_to_the_departments_log_odds(rehearsal: OnlineRehearsal) -> None:
    rows = [rehearsal.unused() for _ in range(3)]
    ids = [rehearsal.enterprise(row) for row in rows]
    found = answers(rehearsal, dict.fromkeys(rehearsal.drawn.departments, ids))
    assert summed(found).tolist() == (rehearsal.drawn.partials[:, rows].sum(axis=0) * 2.0**-24).tolist()


def test_a_bank_exchanges_an_enterprise_at_one_department_only_where_masks_are_not_bound_to_the_list(
    monkeypatch: pytest.MonkeyPatch, rehearsal: OnlineRehearsal
) -> None:
    rows = [rehearsal.unused() for _ in range(64)]
    ids, exchanged = [rehearsal.enterprise(row) for row in rows], rehearsal.unused()
    whole = dict.fromkeys(rehearsal.drawn.departments, ids)
    mixed = whole | {rehearsal.drawn.departments[1]: [*ids[:-1], rehearsal.enterprise(exchanged)]}
    with monkeypatch.context() as patch:
        bound = Run.mask_context
        patch.setattr(
            Run,
            "mask_context",
            lambda run, turn, purpose, direction, members: bound(run, turn, purpose, direction[:7], members),
        )
        difference = summed(answers(rehearsal, whole)) - summed(answers(rehearsal, mixed))
        partials = rehearsal.drawn.partials[1]
        assert difference[-1] == (partials[rows[-1]] - partials[exchanged]) * 2.0**-24
        assert not difference[:-1].any()
    # Sums of partials have a spread of 0.8, uniform words one of 148: that all 64 are small has a chance of 10^-45.
    assert np.abs(summed(answers(rehearsal, mixed))).max() > 50


def test_a_batch_over_fewer_departments_than_are_set_is_refused(rehearsal: OnlineRehearsal) -> None:
    ids, last = [rehearsal.enterprise(rehearsal.unused())], rehearsal.drawn.departments[-1]
    config = rehearsal.home(rehearsal.drawn.departments[2]).directory / CONFIG_FILE
    config.write_text("minimum_departments = 4\nscores_of_many = true\n")
    fewer = {name: ids for name in rehearsal.drawn.departments if name != last}
    try:
        with pytest.raises(ProtectionUnavailable, match="hides too little"):
            answers(rehearsal, fewer)
    finally:
        config.unlink()
    answers(rehearsal, fewer)


def test_a_batch_over_another_set_is_refused(rehearsal: OnlineRehearsal) -> None:
    ids = [rehearsal.enterprise(rehearsal.unused())]
    everybody = rehearsal.drawn.departments
    answers(rehearsal, dict.fromkeys(everybody, ids))
    with pytest.raises(PeerError, match="another set"):
        answers(rehearsal, dict.fromkeys(everybody[:-1], ids))
