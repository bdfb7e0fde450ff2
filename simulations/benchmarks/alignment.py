"""How long a private set intersection takes, both sides on this machine, one after the other."""

import time
from collections.abc import Callable
from typing import TypedDict, TypeVar

from crypto.alignment import AlignmentBank, AlignmentDepartment, intersect
from crypto.errors import ProtocolStateError
from crypto.identifiers import EnterpriseId

_Result = TypeVar("_Result")


class AlignmentSeconds(TypedDict):
    """Wall time of each step."""

    bank_blind: float
    department_evaluate: float
    department_tags: float
    bank_tags: float


class AlignmentBytes(TypedDict):
    """What goes over the wire each way."""

    to_department: int
    to_bank: int


class AlignmentMeasurement(TypedDict):
    """One measurement: `rows` ids on each side, half of them shared.

    `seconds` is the wall time of all steps, `processor_seconds` the time of all cores together, which a busy machine
    falsifies less.
    """

    rows: int
    matches: int
    seconds: float
    seconds_by_step: AlignmentSeconds
    processor_seconds: float
    bytes: AlignmentBytes


def measure_alignment(rows: int) -> AlignmentMeasurement:
    """Align a bank of `rows` ids with a department of as many, half of them the same.

    `ProtocolStateError` if the intersection found is not the true one.
    """
    bank_ids = [EnterpriseId(f"{number:018d}") for number in range(rows)]
    department_ids = [EnterpriseId(f"{number:018d}") for number in range(rows // 2, rows // 2 + rows)]
    begin, begin_processor = time.perf_counter(), time.process_time()
    bank, department = AlignmentBank(bank_ids), AlignmentDepartment.generate()
    blinded, bank_blind = _timed(bank.blind)
    evaluated, department_evaluate = _timed(lambda: department.evaluate(blinded))
    their_tags, department_tags = _timed(lambda: department.tags(department_ids))
    own_tags, bank_tags = _timed(lambda: bank.tags(evaluated))
    found = intersect(own_tags, their_tags)
    total, processor = time.perf_counter() - begin, time.process_time() - begin_processor
    if found.tolist() != list(range(rows // 2, rows)):
        raise ProtocolStateError("an alignment found another intersection than the true one")
    return AlignmentMeasurement(
        rows=rows,
        matches=len(found),
        seconds=total,
        seconds_by_step=AlignmentSeconds(
            bank_blind=bank_blind,
            department_evaluate=department_evaluate,
            department_tags=department_tags,
            bank_tags=bank_tags,
        ),
        processor_seconds=processor,
        bytes=AlignmentBytes(to_department=len(blinded), to_bank=len(evaluated) + len(their_tags)),
    )


def _timed(work: Callable[[], _Result]) -> tuple[_Result, float]:
    begin = time.perf_counter()
    result = work()
    return result, time.perf_counter() - begin
