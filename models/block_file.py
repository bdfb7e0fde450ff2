"""A block as a file: safetensors for the weights, JSON in its header for what they mean. Never pickle.

The format is in docs/model-format.md. Reading is strict: what is read must be, byte for byte, what writing it again
would give, so a block has exactly one file and its fingerprint names it.
"""

import hashlib
import json
import os
import struct
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from models.additive import BinnedBlock
from models.errors import BlockFileInvalid, InvalidModelInput
from models.feature_bins import FeatureBins
from models.linear import LinearBlock, LinearFeature

FORMAT_VERSION: Final = 1
MAXIMUM_FILE_SIZE: Final = 64 << 20
_KEY: Final = "yurong_block"
_TENSOR: Final = "weights"
_ADVICE: Final = "Take the file from the run that made the model; docs/model-format.md says what is in one."

AnyBlock = BinnedBlock | LinearBlock


def block_to_bytes(block: AnyBlock) -> bytes:
    """Return the block's one form in bytes."""
    kind = "binned" if isinstance(block, BinnedBlock) else "linear"
    features = [feature.to_json() for feature in block.features]
    description = {"version": FORMAT_VERSION, "kind": kind, "features": features}
    text = json.dumps(description, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return bytes(save({_TENSOR: block.weights_array()}, metadata={_KEY: text}))


def block_from_bytes(data: bytes) -> AnyBlock:
    """Read `block_to_bytes`; raises `BlockFileInvalid` for anything that it would not have written."""
    if len(data) > MAXIMUM_FILE_SIZE:
        raise BlockFileInvalid("the file is too large for a block", advice=_ADVICE)
    try:
        block = _block(_description(data), load(data))
    except (SafetensorError, InvalidModelInput, ValueError, RecursionError) as error:
        raise BlockFileInvalid("the file is no saved block", advice=_ADVICE) from error
    if block_to_bytes(block) != data:
        raise BlockFileInvalid("the file is not in the one form of a saved block", advice=_ADVICE)
    return block


def save_block(path: Path, block: AnyBlock) -> bytes:
    """Write the block, whole or not at all, readable by its owner alone; return its fingerprint."""
    data = block_to_bytes(block)
    unfinished = path.with_name(path.name + ".unfinished")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    return fingerprint(data)


def load_block(path: Path) -> AnyBlock:
    """Read a block that `save_block` wrote."""
    try:
        if path.stat().st_size > MAXIMUM_FILE_SIZE:
            raise BlockFileInvalid("the file is too large for a block", advice=_ADVICE)
        data = path.read_bytes()
    except OSError as error:
        raise BlockFileInvalid(f"the block cannot be read: {error.strerror}", advice=_ADVICE) from error
    return block_from_bytes(data)


def fingerprint(data: bytes) -> bytes:
    """Return the SHA-256 of a block's bytes, 32 bytes."""
    return hashlib.sha256(data).digest()


def _description(data: bytes) -> dict[str, Any]:
    # safetensors gives metadata for files only; its header is a length (u64, little-endian) and so much JSON.
    if len(data) < 8:
        raise BlockFileInvalid("the file is too short for a block", advice=_ADVICE)
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + min(length, len(data))].decode())
    metadata = header.get("__metadata__") if isinstance(header, dict) else None
    if not isinstance(metadata, dict) or not isinstance(metadata.get(_KEY), str):
        raise BlockFileInvalid("the file does not describe a block", advice=_ADVICE)
    description = json.loads(metadata[_KEY])
    if not isinstance(description, dict) or set(description) != {"version", "kind", "features"}:
        raise BlockFileInvalid("the file's description of its block is not ours", advice=_ADVICE)
    if description["version"] != FORMAT_VERSION:
        raise BlockFileInvalid("the file is of a version that this release does not read", advice=_ADVICE)
    return description


def _block(description: dict[str, Any], tensors: dict[str, Any]) -> AnyBlock:
    weights = tensors.get(_TENSOR)
    features = description["features"]
    if set(tensors) != {_TENSOR} or weights is None or weights.dtype != np.float64 or not isinstance(features, list):
        raise BlockFileInvalid("a block has one vector of weights in double precision", advice=_ADVICE)
    if description["kind"] == "binned":
        return BinnedBlock([FeatureBins.from_json(feature) for feature in features], weights)
    if description["kind"] == "linear":
        return LinearBlock([LinearFeature.from_json(feature) for feature in features], weights)
    raise BlockFileInvalid("the file's block is of a kind that this release does not know", advice=_ADVICE)
