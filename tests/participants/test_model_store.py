"""What a participant keeps of a finished model is bound to the model's manifest."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from crypto.documents import canonical_json
from crypto.errors import MalformedMessage, PeerError
from crypto.identifiers import ModelVersion
from participants.model_store import ModelStore, check_manifest, model_version
from simulations.rehearsal import FinishedRun

BLOCK = bytes(range(32))
MANIFEST = canonical_json({"run_id": "run-1", "blocks": {"tax": {"fingerprint": BLOCK.hex()}}})


def test_a_manifest_is_taken_for_its_own_run_and_block_alone() -> None:
    assert check_manifest(MANIFEST, "run-1", "tax", BLOCK) == model_version(MANIFEST)
    for run, name, block in (("run-2", "tax", BLOCK), ("run-1", "land", BLOCK), ("run-1", "tax", bytes(32))):
        with pytest.raises(PeerError):
            check_manifest(MANIFEST, run, name, block)
    with pytest.raises(MalformedMessage):
        check_manifest(MANIFEST + b" ", "run-1", "tax", BLOCK)


@pytest.mark.parametrize("version", ["", "../../etc", "A" * 32, "0" * 31])
def test_a_version_cannot_name_another_folder(tmp_path: Path, version: str) -> None:
    with pytest.raises(PeerError):
        ModelStore(tmp_path, ModelVersion(version))


def test_a_model_that_is_not_there_is_refused(tmp_path: Path) -> None:
    store = ModelStore(tmp_path, ModelVersion("0" * 32))
    assert not store.exists
    with pytest.raises(PeerError):
        store.facts()


def test_a_part_that_was_given_up_is_not_taken_again_and_other_folders_are_no_models(tmp_path: Path) -> None:
    models = [ModelStore(tmp_path, ModelVersion(digit * 32)) for digit in "ba"]
    for store in models:
        store.write(MANIFEST, {"run_id": "run-1"}, block=BLOCK)
    (tmp_path / ("a" * 31)).mkdir()
    models[0].directory.rename(tmp_path / f"{models[0].version}.off")
    assert [store.version for store in ModelStore.all(tmp_path)] == ["a" * 32]
    for _ in range(2):
        models[1].retire()
    assert ModelStore.all(tmp_path) == ()
    assert [path.name for path in models[1].directory.iterdir()] == ["retired"]
    with pytest.raises(PeerError):
        models[1].facts()
    with pytest.raises(PeerError, match="retired"):
        models[1].write(MANIFEST, {"run_id": "run-1"}, block=BLOCK)


def test_everybody_keeps_its_part_of_a_finished_model(finished: FinishedRun) -> None:
    manifest = finished.result["manifest"].encode()
    for name, home in finished.federation.homes.items():
        store = ModelStore(home / "models", model_version(manifest))
        assert store.facts()["run_id"] == finished.plan.run_id
        assert store.manifest()["blocks"].keys() == {*finished.plan.departments, *finished.plan.banks}
        assert store.block()
        assert ("evidence" in store.facts()) is (name in finished.plan.departments)
        for file in store.directory.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
