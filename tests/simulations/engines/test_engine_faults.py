import numpy as np

from crypto.identifiers import ParticipantId
from simulations.engines.faults import Fault, FaultAction, faults_by_participant

TAX, COURTS = ParticipantId("tax"), ParticipantId("courts")


def struck(fault: Fault, kinds: str, *, seed: int = 0) -> dict[ParticipantId, list[bool]]:
    dealt = faults_by_participant([fault], [TAX, COURTS], np.random.default_rng(seed))
    return {name: [bool(faults.strike(kind)) for kind in kinds] for name, faults in dealt.items()}


def test_a_fault_strikes_the_messages_it_names() -> None:
    fault = Fault(action=FaultAction.DROP_REPLY, participant=TAX, kind="b", after=1, times=2)
    assert struck(fault, "abbbbab")[TAX] == [False, False, True, True, False, False, False]
    assert struck(fault, "abbbbab")[COURTS] == [False] * 7


def test_a_fault_without_a_participant_strikes_each_by_its_own_count() -> None:
    once = [False, True, False]
    assert struck(Fault(action=FaultAction.KILL, after=1), "aaa") == {TAX: once, COURTS: once}


def test_a_participants_faults_do_not_depend_on_the_others_messages() -> None:
    fault = Fault(action=FaultAction.ERROR, times=None, probability=0.5)
    alone = faults_by_participant([fault], [TAX, COURTS], np.random.default_rng(3))[TAX]
    together = faults_by_participant([fault], [COURTS, TAX], np.random.default_rng(3))
    expected = [bool(alone.strike("a")) for _ in range(50)]
    actual = []
    for _ in range(50):
        together[COURTS].strike("a")
        actual.append(bool(together[TAX].strike("a")))
    assert actual == expected
    assert 10 < sum(expected) < 40
