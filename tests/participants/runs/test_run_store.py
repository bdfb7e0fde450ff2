"""What a participant keeps of a run comes back as it was, and what was not kept is a step that was not taken."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import ProtocolStateError
from crypto.identifiers import RunId
from participants.runs.run_store import RunStore


def test_pieces_come_back_and_are_replaced_as_a_whole(tmp_path: Path) -> None:
    store = RunStore(tmp_path, RunId("run-1"))
    arrays: dict[str, np.ndarray[Any, Any]] = {
        "codes": np.arange(6, dtype=np.uint16).reshape(2, 3)[:, ::-1],
        "none": np.zeros((0, 4)),
    }
    store.write_arrays("codes/bank", arrays)
    store.write_bytes("plan", b"first")
    store.write_bytes("plan", b"second")
    again = RunStore(tmp_path, RunId("run-1"))
    for name, array in again.read_arrays("codes/bank").items():
        np.testing.assert_array_equal(array, arrays[name])
        assert array.dtype == arrays[name].dtype
    assert again.read_bytes("plan") == b"second"
    files = {str(path.relative_to(tmp_path)): path for path in tmp_path.rglob("*")}
    assert set(files) == {"run-1", "run-1/codes", "run-1/codes/bank", "run-1/plan"}
    assert stat.S_IMODE(files["run-1/plan"].stat().st_mode) == 0o600


def test_what_was_not_kept_is_a_step_that_was_not_taken(tmp_path: Path) -> None:
    store = RunStore(tmp_path, RunId("run-1"))
    assert not store.has("block")
    for read in (store.read_bytes, store.read_arrays, store.read_facts):
        with pytest.raises(ProtocolStateError, match="has not come to block"):
            read("block")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_facts_keep_every_bit_of_a_number(tmp_path_factory: pytest.TempPathFactory, value: float) -> None:
    store = RunStore(tmp_path_factory.getbasetemp(), RunId("run-facts"))
    store.write_facts("final", {"intercept": value})
    assert store.read_facts("final")["intercept"] == value
