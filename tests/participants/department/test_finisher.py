from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from crypto.documents import canonical_json
from crypto.errors import PeerError
from crypto.identifiers import EnterpriseId, ParticipantId, Role
from models.additive import BinnedBlock
from models.block_file import block_to_bytes, fingerprint
from models.feature_bins import FeatureBins, FeatureKind
from models.reasons.families import packaged_families
from models.wire.outcome import ActivateRequest
from models.wire.plan import RunPlan
from models.wire.steps import Step
from participants.department import importer
from participants.department.partials import partial_table
from participants.department.retirement import retire_model
from participants.department.store import DepartmentStore
from participants.home import Home
from participants.model_store import ModelStore, model_version
from participants.node import Node
from participants.records.contract import Category, DataContract, Item, ItemType
from participants.records.table_store import TableStore
from participants.runs.approval_policy import approve_everything
from participants.runs.approvals import Approvals
from participants.runs.ledger import FileLedger
from participants.runs.run import Run

ME = ParticipantId("tax")
PLAN = RunPlan(
    run_id="run",
    purpose="a test",
    departments=("courts", "tax", "water"),
    banks=("bank",),
    maximum_rounds=1,
    tolerance=1e-4,
    block="binned",
    maximum_bins=2,
    parameter_limit=4,
    smoothness=1.0,
    ridge=1.0,
)
BLOCK = block_to_bytes(
    BinnedBlock([FeatureBins(name="late", kind=FeatureKind.NUMBER, edges=(2.0,))], np.array([-0.5, 0.5, 0.25]))
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A department at the end of a run, its block saved."""
    home = Home.create(tmp_path / "home", participant_id=ME, role=Role.DEPARTMENT, title="Tax")
    item = Item(name="late", title="Late filings", type=ItemType.NUMBER, feature=True)
    contract = DataContract(
        holder=ME, title="Tax", categories=(Category(name="filings", title="Filings", items=(item,), reason="TX1"),)
    )
    path = tmp_path / "records.csv"
    path.write_text("enterprise_id,late\n91350100M000100Y43,3\n", encoding="utf-8")
    DepartmentStore.create(home.directory / "data", contract).import_file(path)
    run = Run(home, home.identity(), FileLedger(home.directory / "ledger"), PLAN.run)
    run.begin(PLAN)
    approve_everything(home.directory)
    with closing(Approvals.open(home)) as approvals:
        approvals.admit(PLAN)
    run.store.write_bytes("final-block", BLOCK)
    return home


def manifest(**facts: str) -> bytes:
    return canonical_json({"run_id": PLAN.run_id, "blocks": {ME: {"fingerprint": fingerprint(BLOCK).hex()}}, **facts})


def activate(home: Home, data: bytes) -> None:
    Node(home).handle(Step.ACTIVATE, ActivateRequest(run_id=PLAN.run_id, manifest=data).encode())


def test_an_activated_block_has_its_partials_and_may_be_activated_again_as_it_is(home: Home) -> None:
    activate(home, manifest())
    activate(home, manifest())
    table = partial_table(home, model_version(manifest()))
    words = table.words((EnterpriseId("91350100M000100Y43"), EnterpriseId("91350100M000100Y44")))
    assert words.tolist() == [2**23, 2**22]


def test_an_activated_block_has_its_points_lost(home: Home) -> None:
    activate(home, manifest())
    table = partial_table(home, model_version(manifest()))
    held, stranger = (table.lost_words(EnterpriseId(f"91350100M000100Y4{last}")) for last in "34")
    place = packaged_families().places["TX1"]
    assert {place: 2**24} == {at: word for at, word in enumerate(held.tolist()) if word}
    assert {place: 3 * 2**22} == {at: word for at, word in enumerate(stranger.tolist()) if word}


def test_a_run_has_one_manifest_so_that_no_block_has_two_versions(home: Home) -> None:
    """Two versions of one block would let a bureau and a bank ask twice with sets that differ by one department."""
    activate(home, manifest())
    second = manifest(purpose="the same block again")
    with pytest.raises(PeerError):
        activate(home, second)
    assert not ModelStore(home.directory / "models", model_version(second)).exists


def test_a_block_is_activated_with_the_records_that_a_stopped_import_had_taken_in(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The import's partials were in force, and its records were not yet: they would have been, after these partials."""
    node = Node(home)
    node._side(PLAN.run)  # it is warm, and has settled what was to be settled
    path = tmp_path / "newer.csv"
    path.write_text("enterprise_id,late\n91350100M000100Y43,1\n", encoding="utf-8")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TableStore, "publish", stop)
        patch.setattr(importer, "settle", lambda *_: None)
        with pytest.raises(KeyboardInterrupt):
            importer.import_data(home, path)
    node.handle(Step.ACTIVATE, ActivateRequest(run_id=PLAN.run_id, manifest=manifest()).encode())
    words = partial_table(home, model_version(manifest())).words((EnterpriseId("91350100M000100Y43"),))
    assert words.view(np.int64).tolist() == [-(2**23)]
    node.close()


def test_a_model_that_was_retired_here_is_not_brought_back_by_the_end_of_its_run(home: Home) -> None:
    activate(home, manifest())
    version = model_version(manifest())
    retire_model(home, version)
    with pytest.raises(PeerError, match="retired"):
        activate(home, manifest())
    assert not partial_table(home, version).is_here
    assert not ModelStore(home.directory / "models", version).exists


def test_a_manifest_that_names_another_block_is_refused(home: Home) -> None:
    other = canonical_json({"run_id": PLAN.run_id, "blocks": {ME: {"fingerprint": "00" * 32}}})
    with pytest.raises(PeerError):
        activate(home, other)
