"""A participant's part of each finished model, in `models/<version>/` of its home.

manifest.json        the model: its blocks' fingerprints and public figures; its SHA-256 is the version
block.safetensors    this participant's block (`docs/model-format.md`)
facts.json           what else this participant needs of it
retired              in the place of all of these: the part was given up, and is not taken again

What is in `models/` under another name than a version is none of ours, and no model.

A department's partials by the model are in its database.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any, Final, Self

from crypto.documents import JsonObject, parse_canonical_json
from crypto.errors import PeerError
from crypto.identifiers import ModelVersion
from models.hosting.storage.files import private_directory, private_file

VERSION_DIGITS = 32
_VERSION: Final = re.compile(rf"[0-9a-f]{{{VERSION_DIGITS}}}")
_RETIRED: Final = "retired"


def model_version(manifest: bytes) -> ModelVersion:
    """The version of the model that a manifest describes: the start of its SHA-256."""
    return ModelVersion(hashlib.sha256(manifest).hexdigest()[:VERSION_DIGITS])


class ModelStore:
    """One participant's part of one model."""

    def __init__(self, models: Path, version: ModelVersion) -> None:
        if _VERSION.fullmatch(version) is None:
            raise PeerError("a model version is 32 hexadecimal digits")
        self.version = version
        self.directory = models / version

    @classmethod
    def all(cls, models: Path) -> tuple[Self, ...]:
        """This participant's part of every model that it has one of, by version."""
        names = sorted(path.name for path in models.iterdir() if _VERSION.fullmatch(path.name))
        return tuple(store for store in (cls(models, ModelVersion(name)) for name in names) if store.exists)

    @property
    def exists(self) -> bool:
        """Whether this participant has a part of the model."""
        return (self.directory / "facts.json").is_file() and not self.is_retired

    @property
    def is_retired(self) -> bool:
        """Whether this participant gave its part of the model up."""
        return (self.directory / _RETIRED).is_file()

    def retire(self) -> None:
        """Give this participant's part up, for good. To do so twice is no fault."""
        private_directory(self.directory)
        private_file(self.directory / _RETIRED, b"")
        for path in self.directory.iterdir():
            if path.name != _RETIRED:
                path.unlink()

    def require_not_retired(self) -> None:
        """Raise `PeerError` if this participant gave its part of the model up."""
        if self.is_retired:
            raise PeerError("this model was retired here", advice="train a new one")

    def write(self, manifest: bytes, facts: dict[str, Any], *, block: bytes) -> None:
        """Keep this participant's part; `facts.json` is written last and says that all is there.

        Raises `PeerError` for a part that was given up.
        """
        self.require_not_retired()
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        private_file(self.directory / "manifest.json", manifest)
        if block:
            private_file(self.directory / "block.safetensors", block)
        private_file(self.directory / "facts.json", json.dumps(facts, sort_keys=True, ensure_ascii=False).encode())

    def facts(self) -> dict[str, Any]:
        """What `write` was told; raises `PeerError` if there is no such model here."""
        if not self.exists:
            raise PeerError("there is no such model here")
        facts: dict[str, Any] = json.loads((self.directory / "facts.json").read_bytes())
        return facts

    def block(self) -> bytes:
        """The block's bytes; empty if there is none."""
        path = self.directory / "block.safetensors"
        return path.read_bytes() if path.is_file() else b""

    def manifest(self) -> JsonObject:
        """The model's manifest."""
        return parse_canonical_json((self.directory / "manifest.json").read_bytes())


def check_manifest(manifest: bytes, run_id: str, me: str, fingerprint: bytes) -> ModelVersion:
    """Refuse a manifest that is not of this run or names another block for this participant; return its version."""
    fields = parse_canonical_json(manifest)
    blocks = fields.get("blocks")
    if fields.get("run_id") != run_id or not isinstance(blocks, dict):
        raise PeerError("a model's manifest is not of this run")
    mine = blocks.get(me)
    if not isinstance(mine, dict) or mine.get("fingerprint") != fingerprint.hex():
        raise PeerError("a model's manifest names another block than the one that was trained here")
    return model_version(manifest)
