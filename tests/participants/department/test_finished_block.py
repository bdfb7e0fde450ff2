"""The end of a run at a department: partials of everybody, and the evidence that only it sees."""

from __future__ import annotations

import json

import numpy as np
import pytest

from crypto.identifiers import EnterpriseId
from models.additive import BinnedBlock
from models.block_file import block_from_bytes
from models.points import PointsScale
from models.reasons.families import packaged_families
from models.reasons.principal import families_of_blocks
from models.scorecard import BlockScorecard
from models.wire.scoring import PARTIAL_FRACTION_BITS
from participants.department.partials import partial_table
from participants.department.store import DepartmentStore
from participants.home import Home
from participants.model_store import ModelStore, model_version
from simulations.comparison import PooledRun
from simulations.rehearsal import FinishedRun
from simulations.small_federation import REASONS

UNKNOWN = EnterpriseId("91000000MA00000000")


@pytest.mark.parametrize("department", ["courts", "tax"])
def test_partials_are_the_blocks_log_odds_in_fixed_point(finished: FinishedRun, department: str) -> None:
    home = next(path for name, path in finished.federation.homes.items() if name == department)
    model = ModelStore(home / "models", model_version(finished.result["manifest"].encode()))
    block = block_from_bytes(model.block())
    assert isinstance(block, BinnedBlock)
    register = DepartmentStore(home / "data")
    ids = register.enterprise_ids()
    table = partial_table(Home.open(home), model.version)
    log_odds = block.image(block.encode(register.features(ids)), block.weights_array())
    np.testing.assert_allclose(
        table.words(ids).view(np.int64) * 2.0**-PARTIAL_FRACTION_BITS, log_odds, atol=2.0**-PARTIAL_FRACTION_BITS
    )
    absent = block.image(block.absent_codes(1), block.weights_array())
    np.testing.assert_allclose(
        table.words([UNKNOWN]).view(np.int64) * 2.0**-PARTIAL_FRACTION_BITS, absent, atol=2.0**-PARTIAL_FRACTION_BITS
    )


def test_points_lost_are_the_distance_from_the_best_and_their_families_stand_in_the_manifest(
    finished: FinishedRun,
) -> None:
    families_of = families_of_blocks(json.loads(finished.result["manifest"]))
    own = {name: (REASONS[name],) for name in finished.federation.departments}
    assert families_of == own | dict.fromkeys(finished.federation.banks, ())
    for department in finished.federation.departments:
        home = finished.federation.homes[department]
        model = ModelStore(home / "models", model_version(finished.result["manifest"].encode()))
        block = block_from_bytes(model.block())
        assert isinstance(block, BinnedBlock)
        best = sum(float(part.min()) for part in np.split(block.weights_array(), block.starts[1:]))
        table = partial_table(Home.open(home), model.version)
        place = packaged_families().places[REASONS[department]]
        for enterprise in (*DepartmentStore(home / "data").enterprise_ids()[:20], UNKNOWN):
            lost = table.lost_words(enterprise)[place] * 2.0**-PARTIAL_FRACTION_BITS
            partial = float(table.words([enterprise]).view(np.int64)[0]) * 2.0**-PARTIAL_FRACTION_BITS
            assert lost == pytest.approx(partial - best, abs=2.0 ** (1 - PARTIAL_FRACTION_BITS))


def test_evidence_counts_the_defaults_of_each_bin(finished: FinishedRun) -> None:
    pooled = PooledRun(finished.federation, finished.plan.run_id, rounds=finished.rounds)
    for department in finished.federation.departments:
        store = ModelStore(
            finished.federation.homes[department] / "models", model_version(finished.result["manifest"].encode())
        )
        block = block_from_bytes(store.block())
        assert isinstance(block, BinnedBlock)
        evidence = store.facts()["evidence"]
        assert [one["feature"] for one in evidence] == list(block.feature_names)
        columns = np.asarray(pooled.designs[department].columns, dtype=np.float64)
        for one, bins, start in zip(evidence, block.features, block.starts, strict=True):
            part = columns[:, int(start) : int(start) + bins.count]
            assert one["counts"] == part.sum(axis=0).tolist()
            assert one["information_value"] >= 0
            # A bin with more defaults than others has a lower weight of evidence, counted exactly.
            rows = (pooled.weights @ part) > 60
            rate = (pooled.weights * pooled.labels) @ part / np.maximum(pooled.weights @ part, 1)
            order = np.argsort(rate[rows])
            assert np.argmin(np.array(one["weight_of_evidence"])[rows]) in order[-2:]


def test_the_scorecard_states_whole_points_for_every_bin(finished: FinishedRun) -> None:
    for department in finished.federation.departments:
        store = ModelStore(
            finished.federation.homes[department] / "models", model_version(finished.result["manifest"].encode())
        )
        block = block_from_bytes(store.block())
        assert isinstance(block, BinnedBlock)
        lines = store.facts()["scorecard"]
        assert [line["points"] for line in lines] == BlockScorecard.of(block, PointsScale()).points.tolist()
        assert {line["feature"] for line in lines} == set(block.feature_names)
