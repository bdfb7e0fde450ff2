"""A federation whose model was drawn at random and not trained: homes that answer score requests, in seconds.

Everything about it is real but the numbers: keys, pins, signed documents, a verified run, a manifest, each department's
table of partials, a bank's book with one feature and the block for it. Tests and benchmarks of scoring stand on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from coordinator.home import BureauHome
from crypto.documents import canonical_json
from crypto.identifiers import EnterpriseId, ModelVersion, ParticipantId, Role
from models.additive import BinnedBlock
from models.block_file import block_to_bytes
from models.feature_bins import FeatureBins, FeatureKind
from models.reasons.families import packaged_families
from models.reasons.words import words_in_order
from models.wire.envelope import post
from models.wire.outcome import MEAN_DECIMALS
from models.wire.plan import RunPlan
from models.wire.scoring import PARTIAL_FRACTION_BITS
from models.wire.setup import MeetRequest
from participants.bank.book import BankBook
from participants.department.database import open_database
from participants.department.partials import partial_table
from participants.department.points_lost import PointsLost
from participants.home import Home
from participants.model_store import ModelStore, model_version
from participants.records.contract import Category, DataContract, Item, ItemType
from participants.runs.approval_policy import approve_everything
from participants.runs.approvals import Approvals
from participants.runs.ledger import FileLedger
from participants.runs.run import Run
from simulations.founding import BUREAU, pin_everybody
from simulations.local_log import LocalLog

INTERCEPT: Final = -2.5
DRAWN_AT: Final = 1_800_000_000
"""As of when all partials are, in seconds since 1970."""

TURNOVER: Final = FeatureBins(name="turnover", kind=FeatureKind.NUMBER, edges=(1.0, 2.0, 3.0))
TURNOVER_WEIGHTS: Final = (0.5, 0.1, -0.2, -0.4, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnFederation:
    """Homes, and the numbers that were drawn.

    partials: (departments, enterprises). absent, means: (departments,). turnover: (enterprises,), at every bank.
    lost: of each department.
    """

    homes: dict[ParticipantId, Path]
    bureau: Path
    departments: tuple[ParticipantId, ...]
    banks: tuple[ParticipantId, ...]
    version: ModelVersion
    enterprise_ids: tuple[EnterpriseId, ...]
    partials: NDArray[np.int64]
    absent: NDArray[np.int64]
    means: NDArray[np.float64]
    turnover: NDArray[np.float64]
    lost: tuple[PointsLost, ...]

    def lost_by_family(self, enterprise: int, departments: Sequence[ParticipantId] | None = None) -> NDArray[np.int64]:
        """The points lost that whoever opens them should find, `(families,)`, if these departments (all) answer."""
        answer = [departments is None or name in departments for name in self.departments]
        words = [words_in_order(one.codes, one.rows[enterprise]) for one in compress(self.lost, answer)]
        return np.asarray(np.sum(words, axis=0, dtype=np.uint64)).astype(np.int64)

    def log_odds(self, enterprise: int, departments: Sequence[ParticipantId] | None = None) -> float:
        """What a bank should find for the enterprise of this row, if these departments (all) answer."""
        answer = np.array([departments is None or name in departments for name in self.departments])
        summed = float(self.partials[answer, enterprise].sum()) * 2.0**-PARTIAL_FRACTION_BITS
        own = INTERCEPT + TURNOVER_WEIGHTS[int(TURNOVER.encode(self.turnover[[enterprise]])[0])]
        return own + summed + float(self.means[~answer].sum())


def draw_federation(
    directory: Path,
    *,
    departments: int,
    banks: int = 1,
    enterprise_ids: Sequence[EnterpriseId],
    rng: np.random.Generator,
    run_id: str = "drawn",
    addresses: Mapping[str, str] | None = None,
) -> DrawnFederation:
    """Make the homes below `directory`, introduce them to each other, and give each its part of a drawn model.

    The bureau's log has the model's approval and the banks' permissions; the first department registers passkeys.
    addresses: by name, of those that are to have a certificate.
    """
    homes = _homes(directory, departments, banks, addresses or {})
    bureau = _bureau(directory, homes, addresses or {})
    of_role = {role: tuple(sorted(name for name in homes if homes[name].role is role)) for role in Role}
    plan = _plan(run_id, of_role[Role.DEPARTMENT], of_role[Role.BANK])
    _introduce(homes, plan)
    partials = np.rint(rng.normal(0, 0.4, (departments, len(enterprise_ids) + 1)) * 2.0**PARTIAL_FRACTION_BITS)
    table = partials.astype(np.int64)
    lost = tuple(_points_lost(place, len(enterprise_ids), own) for place, own in enumerate(rng.spawn(departments)))
    means = np.round(table[:, :-1].mean(axis=1) * 2.0**-PARTIAL_FRACTION_BITS, MEAN_DECIMALS)
    manifest = _manifest(plan, means, lost)
    for name, row, mine in zip(plan.department_ids, table, lost, strict=True):
        drawn = partial_table(homes[name], model_version(manifest))
        with open_database(homes[name]).begin() as connection:
            drawn.replace(connection, enterprise_ids, row[:-1], absent=int(row[-1]), as_of=DRAWN_AT, lost=mine)
        _write(homes[name], manifest, {"run_id": run_id})
    turnover = rng.uniform(0, 4, len(enterprise_ids))
    block = block_to_bytes(BinnedBlock([TURNOVER], np.array(TURNOVER_WEIGHTS)))
    for name in plan.bank_ids:
        _fill_book(homes[name], enterprise_ids, turnover)
        _write(homes[name], manifest, {"run_id": run_id, "intercept": INTERCEPT}, block)
    _open_for_scores(bureau, model_version(manifest), plan)
    return DrawnFederation(
        bureau=bureau.directory,
        homes={name: home.directory for name, home in homes.items()},
        departments=plan.department_ids,
        banks=plan.bank_ids,
        version=model_version(manifest),
        enterprise_ids=tuple(enterprise_ids),
        partials=table[:, :-1],
        absent=table[:, -1],
        means=means,
        turnover=turnover,
        lost=lost,
    )


def _points_lost(place: int, enterprises: int, rng: np.random.Generator) -> PointsLost:
    """Of three families, one of which the next department has as well; 29 points at most in each."""
    families = packaged_families()
    places = sorted((2 * place + step) % len(families) for step in range(3))
    rows = rng.integers(0, 1 << PARTIAL_FRACTION_BITS, (enterprises + 1, len(places)), dtype=np.int32)
    return PointsLost(codes=tuple(families[one].code for one in places), rows=rows[:-1], absent=rows[-1])


def _homes(directory: Path, departments: int, banks: int, addresses: Mapping[str, str]) -> dict[ParticipantId, Home]:
    names = [(f"department-{i:02d}", Role.DEPARTMENT) for i in range(1, departments + 1)]
    names += [(f"bank-{i:02d}", Role.BANK) for i in range(1, banks + 1)]
    return {
        ParticipantId(name): Home.create(
            directory / name,
            participant_id=ParticipantId(name),
            role=role,
            title=name,
            address=addresses.get(name, ""),
        )
        for name, role in names
    }


def _bureau(directory: Path, homes: Mapping[ParticipantId, Home], addresses: Mapping[str, str]) -> BureauHome:
    bureau = BureauHome.create(
        directory / BUREAU,
        participant_id=BUREAU,
        role=Role.BUREAU,
        title="Big Data Development Bureau",
        address=addresses.get(BUREAU, ""),
    )
    pin_everybody({**homes, BUREAU: bureau})
    return bureau


def _open_for_scores(bureau: BureauHome, version: ModelVersion, plan: RunPlan) -> None:
    """Have the log say that banks may ask by the model."""
    log = LocalLog(bureau)
    log.approve(version, plan.bank_ids, registrars=plan.department_ids[:1])
    log.close()


def _plan(run_id: str, departments: tuple[ParticipantId, ...], banks: tuple[ParticipantId, ...]) -> RunPlan:
    return RunPlan(
        run_id=run_id,
        purpose="scores by a model that was drawn",
        departments=departments,
        banks=banks,
        maximum_rounds=1,
        tolerance=1e-4,
        block="binned",
        maximum_bins=2,
        parameter_limit=4,
        smoothness=1.0,
        ridge=1.0,
    )


def _manifest(plan: RunPlan, means: NDArray[np.float64], lost: Sequence[PointsLost]) -> bytes:
    """What a run would end with: whose blocks the model has. Their fingerprints are drawn too."""
    blocks: dict[str, object] = {
        name: {
            "fingerprint": _fingerprint(plan, name),
            "mean_log_odds": float(mean),
            "families": list(mine.codes),
        }
        for name, mean, mine in zip(plan.departments, means, lost, strict=True)
    }
    blocks |= {name: {"fingerprint": _fingerprint(plan, name)} for name in plan.banks}
    return canonical_json({"run_id": plan.run_id, "blocks": blocks})


def _fingerprint(plan: RunPlan, name: str) -> str:
    return hashlib.sha256(f"{plan.run_id}/{name}".encode()).hexdigest()


def _introduce(homes: dict[ParticipantId, Home], plan: RunPlan) -> None:
    """Have everybody verify everybody's document, as the set-up of a run does."""
    documents, keys = {}, {}
    for name, home in homes.items():
        if home.role is Role.BANK:
            keys[name] = home.bank_keys().public_lattice_keys().encode()
        documents[name] = home.document()
    met = MeetRequest(run_id=plan.run_id, documents=post(documents), lattice_keys=post(keys), bank_features=())
    for home in homes.values():
        run = Run(home, home.identity(), FileLedger(home.directory / "ledger"), plan.run)
        run.begin(plan)
        run.meet(met)
        approve_everything(home.directory)
        with closing(Approvals.open(home)) as approvals:
            approvals.admit(plan)


def _fill_book(home: Home, enterprise_ids: Sequence[EnterpriseId], turnover: NDArray[np.float64]) -> None:
    item = Item(name=TURNOVER.name, title="Turnover on the account", type=ItemType.NUMBER, feature=True)
    category = Category(name="account", title="Account", items=(item,))
    contract = DataContract(holder=home.participant_id, title=home.title, categories=(category,))
    book = BankBook.create(home.directory / "data", contract)
    table = pl.DataFrame({"enterprise_id": enterprise_ids, "default": [0] * len(enterprise_ids), item.name: turnover})
    path = home.directory / "book.parquet"
    table.write_parquet(path)
    book.import_file(path)
    path.unlink()


def _write(home: Home, manifest: bytes, facts: dict[str, object], block: bytes = b"") -> None:
    ModelStore(home.directory / "models", model_version(manifest)).write(manifest, facts, block=block)
