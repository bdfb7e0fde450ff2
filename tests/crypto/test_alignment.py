"""Private set intersection, honest and attacked."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.alignment import TAG_BYTES, AlignmentBank, AlignmentDepartment, intersect
from crypto.curve import encode_to_curve
from crypto.errors import MalformedMessage, PeerError, ProtocolStateError, YurongError
from crypto.identifiers import EnterpriseId
from crypto.labels import Label
from simulations.adversaries import alignment as adversary
from simulations.benchmarks.alignment import measure_alignment


def ids(*numbers: int) -> list[EnterpriseId]:
    return [EnterpriseId(f"91500000MA5{number:07d}") for number in numbers]


def split(tags: bytes) -> set[bytes]:
    return {tags[start : start + TAG_BYTES] for start in range(0, len(tags), TAG_BYTES)}


@settings(deadline=None, max_examples=20)
@given(st.sets(st.integers(0, 30), max_size=12), st.sets(st.integers(0, 30), max_size=12))
def test_a_bank_finds_exactly_the_ids_that_both_hold(own: set[int], theirs: set[int]) -> None:
    bank, department = AlignmentBank(ids(*own)), AlignmentDepartment.generate()
    tags = bank.tags(department.evaluate(bank.blind()))
    found = intersect(tags, department.tags(ids(*theirs)))
    assert [list(own)[place] for place in found] == [number for number in own if number in theirs]


def test_several_threads_give_what_one_gives() -> None:
    many = ids(*range(1200))
    bank = AlignmentBank(many, threads=3)
    alone = AlignmentBank.from_private_bytes(bank.to_private_bytes(), many, threads=1)
    assert bank.blind() == alone.blind()
    department = AlignmentDepartment.generate(threads=2)
    same = AlignmentDepartment.from_private_bytes(department.to_private_bytes(), threads=1)
    evaluated = department.evaluate(bank.blind())
    assert evaluated == same.evaluate(bank.blind())
    assert department.tags(many) == same.tags(many) == bank.tags(evaluated) == alone.tags(evaluated)


def test_a_blinding_serves_several_departments_whose_tags_do_not_compare() -> None:
    bank = AlignmentBank(ids(1, 2, 3))
    blinded = bank.blind()
    first, second = AlignmentDepartment.generate(), AlignmentDepartment.generate()
    assert intersect(bank.tags(first.evaluate(blinded)), first.tags(ids(2))).tolist() == [1]
    assert intersect(bank.tags(second.evaluate(blinded)), second.tags(ids(3))).tolist() == [2]
    assert not split(first.tags(ids(2))) & split(second.tags(ids(2)))


def test_two_blindings_of_one_id_have_nothing_in_common() -> None:
    first, second = (AlignmentBank(ids(7)).blind() for _ in range(2))
    assert first != second


def test_a_dictionary_breaks_plain_hashes_and_not_our_tags() -> None:
    register, held = ids(*range(200)), ids(3, 77, 150)
    assert adversary.members_by_dictionary(adversary.plain_tags(held), register) == set(held)

    tags = split(AlignmentDepartment.generate().tags(held))
    assert adversary.members_by_dictionary(tags, register) == set()
    # Nor does a dictionary under a key of one's own.
    assert not tags & split(AlignmentDepartment.generate().tags(register))


def test_a_hash_straight_to_u_halves_the_candidates_and_ours_leaves_them_all() -> None:
    register = ids(*range(200))
    wanted = register[42]

    weak_blinded = adversary.unchecked_ladder(8 * 123456789, adversary.hash_straight_to_u(wanted))
    left = adversary.candidates_by_curve_or_twist(weak_blinded, register, adversary.hash_straight_to_u)
    assert wanted in left
    assert len(left) < 140

    def ours(each: EnterpriseId) -> bytes:
        return encode_to_curve(each.encode(), Label.ALIGNMENT_ELEMENT.encode())

    blinded = AlignmentBank([wanted]).blind()
    assert adversary.candidates_by_curve_or_twist(blinded, register, ours) == register


def test_a_point_of_small_order_reads_bits_of_an_unclamped_key_and_is_refused_by_ours() -> None:
    key = 8 * 987654321 + 3
    residues = adversary.key_residues_by_small_order(lambda point: adversary.unchecked_ladder(key, point))
    assert residues == {3, 5}  # the key mod 8, up to its sign

    with pytest.raises(MalformedMessage):
        adversary.key_residues_by_small_order(AlignmentDepartment.generate().evaluate)


def test_an_answer_of_small_order_is_refused_by_the_bank() -> None:
    bank = AlignmentBank(ids(1, 2))
    good = AlignmentDepartment.generate().evaluate(bank.blind())
    with pytest.raises(PeerError):
        bank.tags(good[:32] + adversary.POINT_OF_ORDER_8)


def test_an_answer_of_another_length_is_refused() -> None:
    bank = AlignmentBank(ids(1, 2))
    good = AlignmentDepartment.generate().evaluate(bank.blind())
    for wrong in (b"", good[:-1], good[:32], good + good):
        with pytest.raises(MalformedMessage):
            bank.tags(wrong)


@settings(deadline=None)
@given(st.binary(max_size=130) | st.binary(min_size=64, max_size=64))
def test_any_bytes_are_evaluated_or_refused_with_our_error(data: bytes) -> None:
    bank = AlignmentBank(ids(1, 2))
    for take, size in ((AlignmentDepartment.generate().evaluate, 32), (bank.tags, 16)):
        try:
            assert len(take(data)) == len(data) // 32 * size
        except YurongError:
            continue


def test_ids_that_repeat_are_refused() -> None:
    with pytest.raises(ProtocolStateError):
        AlignmentBank(ids(1, 1))


def test_stored_sides_of_a_wrong_form_are_refused() -> None:
    with pytest.raises(MalformedMessage):
        AlignmentBank.from_private_bytes(bytes(33), ids(1))
    for wrong in (b"", bytes(32), b"\xff" * 32):
        with pytest.raises(MalformedMessage):
            AlignmentDepartment.from_private_bytes(wrong)


def test_tags_of_another_length_are_refused() -> None:
    with pytest.raises(MalformedMessage):
        intersect(bytes(17), b"")
    np.testing.assert_array_equal(intersect(bytes(16), bytes(16)), [0])


def test_both_sides_are_neither_shown_nor_pickled_nor_copied() -> None:
    for side in (AlignmentBank(ids(1)), AlignmentDepartment.generate()):
        assert repr(side).endswith(": secret>")
        for take in (pickle.dumps, copy.deepcopy):
            with pytest.raises(TypeError):
                take(side)


def test_the_benchmark_reports_every_step() -> None:
    measured = measure_alignment(40)
    assert measured["rows"] == 40
    assert measured["matches"] == 20
    assert set(measured["seconds_by_step"]) == {"bank_blind", "department_evaluate", "department_tags", "bank_tags"}
    steps = measured["seconds_by_step"]
    taken = steps["bank_blind"] + steps["department_evaluate"] + steps["department_tags"] + steps["bank_tags"]
    assert measured["seconds"] >= taken > 0
    assert measured["bytes"] == {"to_department": 40 * 32, "to_bank": 40 * 48}
