"""Saved blocks: exact round trips, one form, and only our error for anything else."""

import stat
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from models.additive import BinnedBlock
from models.block_file import block_from_bytes, block_to_bytes, fingerprint, load_block, save_block
from models.errors import BlockFileInvalid
from models.feature_bins import FeatureBins, FeatureKind
from models.linear import LinearBlock, LinearFeature


def binned(weights: np.ndarray | None = None) -> BinnedBlock:
    features = [
        FeatureBins(name="收入", kind=FeatureKind.NUMBER, edges=(0.1, 1 / 3, 1e300)),
        FeatureBins(name="kind", kind=FeatureKind.CATEGORY, categories=('quo"ted', "b")),
    ]
    return BinnedBlock(features, np.random.default_rng(0).normal(size=9) if weights is None else weights)


def linear() -> LinearBlock:
    return LinearBlock([LinearFeature(name="a", centre=0.1, spread=7.0)], np.array([0.25, -1 / 3]))


@pytest.mark.parametrize("block", [binned(), linear()])
def test_a_block_comes_back_exactly(block: BinnedBlock | LinearBlock, tmp_path: Path) -> None:
    path = tmp_path / "x.block.safetensors"
    mark = save_block(path, block)
    read = load_block(path)
    assert type(read) is type(block)
    assert read.features == block.features
    assert np.array_equal(read.weights_array(), block.weights_array())
    assert fingerprint(block_to_bytes(read)) == mark == fingerprint(path.read_bytes())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@settings(max_examples=200)
@given(data=st.data())
def test_a_changed_byte_gives_our_error_or_another_valid_block(data: st.DataObject) -> None:
    good = bytearray(block_to_bytes(binned()))
    place = data.draw(st.integers(0, len(good) - 1))
    good[place] ^= data.draw(st.integers(1, 255))
    try:
        block = block_from_bytes(bytes(good))
    except BlockFileInvalid:
        return
    assert block_to_bytes(block) == bytes(good)


@given(data=st.binary(max_size=200))
def test_bytes_that_are_no_block_give_our_error(data: bytes) -> None:
    with pytest.raises(BlockFileInvalid):
        block_from_bytes(data)


def test_files_that_are_nearly_blocks_are_refused() -> None:
    text = '{"features":[{"edges":[],"kind":"number","name":"x"}],"kind":"binned","version":1}'
    weights = np.zeros(2)
    block_from_bytes(save({"weights": weights}, metadata={"yurong_block": text}))
    for tensors, metadata in (
        ({"weights": weights.astype(np.float32)}, {"yurong_block": text}),
        ({"weights": np.zeros(3)}, {"yurong_block": text}),
        ({"weights": np.full(2, np.inf)}, {"yurong_block": text}),
        ({"weights": weights.reshape(2, 1)}, {"yurong_block": text}),
        ({"weights": weights, "more": weights}, {"yurong_block": text}),
        ({"weights": weights}, {"yurong_block": text, "more": "x"}),
        ({"weights": weights}, {"yurong_block": text.replace(",", ", ")}),
        ({"weights": weights}, {"yurong_block": text.replace(":1}", ":2}")}),
        ({"weights": weights}, {"yurong_block": text.replace(":1}", ":true}")}),
        ({"weights": weights}, {"yurong_block": text.replace("binned", "forest")}),
        ({"weights": weights}, {"yurong_block": text.replace("[{", "{").replace("}],", "},")}),
        ({"weights": weights}, {"yurong_block": "[" * 100_000}),
        ({"weights": weights}, {"other": text}),
        ({"weights": weights}, None),
    ):
        with pytest.raises(BlockFileInvalid):
            block_from_bytes(save(tensors, metadata=metadata))


def test_a_file_that_is_not_there_gives_our_error(tmp_path: Path) -> None:
    with pytest.raises(BlockFileInvalid):
        load_block(tmp_path / "none")
