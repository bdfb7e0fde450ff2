"""All that the participants of a finished run hold and the bureau must not see, in every encoding that we use.

Only a simulation can do this: it opens everybody's home after the run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from crypto.identifiers import ParticipantId
from crypto.lattice.parameters import ADDITION, INNER_PRODUCT
from models.block_file import block_from_bytes
from models.wire.training import Coefficients
from participants.bank.book import BankBook
from participants.bank.own_block import OwnBlock
from participants.department.store import DepartmentStore
from participants.records.features import FeatureValues
from simulations.adversaries.curious_bureau import Trace
from simulations.comparison import PooledRun
from simulations.founding import FoundedFederation

Vector = NDArray[np.float64]

FRACTION_BITS: Final = (24, 28, 30, 32, 36)
"""Of partials, of the bank block's gradient, of residuals, of the statistics, and of images."""
MODULUS_BITS: Final = (64, INNER_PRODUCT.plain_modulus_bits, ADDITION.plain_modulus_bits)
"""Of masked words, of inner products, and of scores of many."""
DECIMALS: Final = (3, 6)
_FEW: Final = 40  # so many values in a row, where one value alone says nothing
_TEXT_BYTES: Final = 14


class RunSecrets:
    """The secrets of one run, by name."""

    def __init__(self, federation: FoundedFederation, run_id: str, *, rounds: int) -> None:
        self._federation = federation
        self._pooled = PooledRun(federation, run_id, rounds=rounds)
        self._rounds = rounds

    def traces(self) -> Iterator[Trace]:
        """Everything, in every encoding."""
        yield from self._identifiers()
        for name, column in self._features():
            yield from few_traces(f"feature codes of {name}", column)
        for name, values in self._numbers():
            yield from number_traces(name, values)
        for bank, cohort in self._pooled.cohorts.items():
            for order, rows in (("cohort", cohort.labels), ("book", self._book(bank).rows().default)):
                yield from few_traces(f"labels of {bank} as in its {order}", np.nan_to_num(rows, nan=2).astype(int))
                yield from bit_traces(f"labels of {bank} as in its {order}", np.nan_to_num(rows) > 0)

    def _identifiers(self) -> Iterator[Trace]:
        for bank, cohort in self._pooled.cohorts.items():
            yield from identifier_traces(f"enterprises of {bank}'s cohort", cohort.enterprise_ids)
            yield from identifier_traces(f"enterprises in {bank}'s book", self._book(bank).enterprise_ids())
        for department in self._federation.departments:
            ids = self._register(department).enterprise_ids()
            yield from identifier_traces(f"enterprises in {department}'s register", ids)
            tags = self._pooled.runs[department].store.read_bytes("register-tags")
            yield Trace(name=f"alignment tags of {department}", data=tags, step=16, length=16)

    def _features(self) -> Iterator[tuple[str, NDArray[Any]]]:
        for department in self._federation.departments:
            store = self._pooled.runs[department].store
            for bank in self._federation.banks:
                codes = store.read_arrays(f"codes/{bank}")["codes"]
                yield f"{department} for {bank}", codes.ravel()
                for feature in range(codes.shape[1]):
                    yield f"{department} for {bank}", codes[:, feature]
        for name, design in self._pooled.designs.items():
            yield f"{name}, one column a bin", np.asarray(design.columns).ravel()

    def _numbers(self) -> Iterator[tuple[str, Vector]]:
        for department in self._federation.departments:
            register = self._register(department)
            values = register.features(register.enterprise_ids())
            yield from _raw(f"features of {department}", values)
            yield from self._of_department(department)
        for bank, cohort in self._pooled.cohorts.items():
            yield from _raw(f"features of {bank}", cohort.features())
            yield from self._of_bank(bank)

    def _of_department(self, department: ParticipantId) -> Iterator[tuple[str, Vector]]:
        run = self._pooled.runs[department]
        block = block_from_bytes(run.store.read_bytes("block"))
        trained = block_from_bytes(run.store.read_bytes("final-block"))
        yield f"parameters of {department}", trained.weights_array()
        for number in range(1, self._rounds + 1):
            kept = run.store.read_arrays(f"direction/{number:04}")
            yield f"gradients of {department}", kept["gradient"]
            yield f"directions of {department}", kept["vector"]
            coefficients = Coefficients.decode(run.store.read_bytes(f"coefficients/{number + 1:04}"))
            yield "coefficients", np.array(coefficients.values)
            for bank in self._federation.banks:
                codes = run.store.read_arrays(f"codes/{bank}")["codes"]
                yield f"images of {department}", block.image(codes, kept["vector"])
                yield f"partials of {department}", block.image(codes, trained.weights_array())

    def _of_bank(self, bank: ParticipantId) -> Iterator[tuple[str, Vector]]:
        cohort, run = self._pooled.cohorts[bank], self._pooled.runs[bank]
        search = self._pooled.search_of(bank)
        for number in range(self._rounds + 1):
            search.go_to(number)
            log_odds = search.log_odds()
            yield f"log-odds of {bank}", log_odds
            yield f"probabilities of {bank}", expit(log_odds)
            yield f"residuals of {bank}", search.residuals()
            yield f"residuals of {bank}", expit(log_odds) - np.nan_to_num(cohort.labels)
            yield "coefficients", search.minimiser.coefficients
        own = OwnBlock(run)
        for number in range(1, self._rounds + 1):
            yield f"images for {bank}", run.store.read_arrays(f"image/{number:04}")["image"]
            if own.block is not None:
                vector = run.store.read_arrays(f"direction/{number:04}")["vector"]
                yield "directions of the banks", vector
                yield "images of the banks' own block", np.asarray(own.image(vector))

    def _book(self, bank: ParticipantId) -> BankBook:
        return BankBook(self._federation.homes[bank] / "data")

    def _register(self, department: ParticipantId) -> DepartmentStore:
        return DepartmentStore(self._federation.homes[department] / "data")


def identifier_traces(name: str, ids: Sequence[str]) -> Iterator[Trace]:
    """Ids of 18 characters: as text, as arrays of characters in either order, and as plain hashes."""
    ascii_ids = [one.encode("ascii") for one in ids]
    yield Trace(name=name, data=b"".join(ascii_ids), step=18, length=18)
    yield Trace(name=name, data=b"".join(ascii_ids).lower(), step=18, length=18)
    for encoding in ("utf-16-le", "utf-16-be", "utf-32-le"):
        data = "".join(ids).encode(encoding)
        yield Trace(name=name, data=data, step=len(data) // len(ids), length=len(data) // len(ids))
    characters = np.frombuffer(b"".join(ascii_ids), dtype=np.uint8).reshape(-1, 18)
    for column in characters.T:
        yield Trace(name=name, data=column.tobytes(), step=1, length=24)
    for function in (hashlib.sha256, hashlib.sha1, hashlib.md5):
        digests = [function(one, usedforsecurity=False).digest()[:16] for one in ascii_ids]
        yield Trace(name=f"{name}, hashed", data=b"".join(digests), step=16, length=16)
        yield Trace(name=f"{name}, hashed", data=b"".join(digests).hex().encode(), step=32, length=32)


def number_traces(name: str, values: Vector) -> Iterator[Trace]:
    """Numbers of which one alone would tell: floating and fixed point, residues, decimals and text."""
    values = np.asarray(values, dtype=np.float64).ravel()
    values = values[np.isfinite(values)]
    for order in "<>":
        yield _words(name, values.astype(f"{order}f8"))
        yield Trace(name=name, data=values.astype(f"{order}f4").tobytes(), step=4, length=12)
    for bits in FRACTION_BITS:
        scaled = np.rint(np.ldexp(values, bits))
        yield from _integers(name, scaled[np.abs(scaled) < 2.0**62].astype(np.int64))
    for decimals in DECIMALS:
        scaled = np.rint(values * 10**decimals)
        whole = scaled[np.abs(scaled) < 2.0**31].astype(np.int64)
        for order in "<>":
            yield Trace(name=name, data=whole.astype(f"{order}i4").tobytes(), step=4, length=16)
    texts = [repr(float(value)).encode() for value in values]
    text = b"".join(one[:_TEXT_BYTES] for one in texts if len(one) >= _TEXT_BYTES)
    yield Trace(name=name, data=text, step=_TEXT_BYTES, length=_TEXT_BYTES)


def few_traces(name: str, values: NDArray[Any]) -> Iterator[Trace]:
    """Small integers, of which only a run of many tells: as integers and floats of every width, and as text."""
    whole = np.asarray(values).ravel().astype(np.int64)
    for form in ("u1", "<u2", ">u2", "<i4", ">i4", "<i8", ">i8", "<f4", ">f4", "<f8", ">f8"):
        data = whole.astype(form)
        yield Trace(name=name, data=data.tobytes(), step=data.itemsize, length=_FEW * data.itemsize)
    if whole.size and whole.max() < 10:
        yield Trace(name=name, data="".join(map(str, whole)).encode(), step=1, length=_FEW)
        yield Trace(name=name, data=",".join(map(str, whole)).encode(), step=2, length=2 * _FEW)


def bit_traces(name: str, values: NDArray[np.bool_]) -> Iterator[Trace]:
    """Answers of yes or no, a bit each, from either end of a byte and beginning anywhere in it."""
    for shift in range(8):
        for order in ("big", "little"):
            data = np.packbits(values[shift:], bitorder="big" if order == "big" else "little").tobytes()
            yield Trace(name=name, data=data, step=1, length=24)


def _integers(name: str, whole: NDArray[np.int64]) -> Iterator[Trace]:
    for bits in MODULUS_BITS:
        residues = whole.view(np.uint64) & np.uint64((1 << bits) - 1)
        for order in "<>":
            yield _words(name, residues.astype(f"{order}u8"))


def _words(name: str, words: NDArray[Any]) -> Trace:
    return Trace(name=name, data=words.tobytes(), step=8, length=8)


def _raw(name: str, features: Mapping[str, FeatureValues]) -> Iterator[tuple[str, Vector]]:
    for values in features.values():
        if not isinstance(values, list):
            yield name, values
