"""The one Flower app bundle of a release: the names of two installed apps, and no code.

Flower carries an app from the coordinator to every participant as a zip file and runs what is in it. Ours holds a
`pyproject.toml` that names the apps which each side has installed, and Flower's own list of contents. Both are the same
for every run of a release: what a run is about travels beside the bundle, as two values of the run's configuration. So
a participant can refuse every other bundle without understanding it.

What each party learns: the participants learn from a bundle which release the bureau runs, and nothing else.
"""

import hashlib
import importlib.metadata
import io
import zipfile
import zlib
from typing import Final

from models.errors import BundleRefused

SERVER_APP: Final = "coordinator.flower.server_app:app"
CLIENT_APP: Final = "participants.flower.client_app:app"
RUN_KEY: Final = "run"
RESUME_KEY: Final = "resume"

PROJECT_FILE: Final = "pyproject.toml"
CONTENTS_FILE: Final = ".info/CONTENT"
MAXIMUM_BUNDLE_BYTES: Final = 16 << 10
_MAXIMUM_FILE_BYTES: Final = 16 << 10
_COMPRESSIONS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
"""LZMA takes as much memory as a bundle says that it should."""


def release() -> str:
    """The version of this installation."""
    return importlib.metadata.version("yurong")


def project_file(server_app: str = SERVER_APP, client_app: str = CLIENT_APP) -> bytes:
    """The bundle's `pyproject.toml`, in the form in which Flower's own builder writes it."""
    lines = [
        *("[project]", 'name = "yurong-run"', f'version = "{release()}"', 'description = ""'),
        *('license = "GPL-3.0-or-later"', "dependencies = []", ""),
        *("[tool.flwr.app]", 'publisher = "yurong"', ""),
        *("[tool.flwr.app.components]", f'serverapp = "{server_app}"', f'clientapp = "{client_app}"', ""),
        *("[tool.flwr.app.config]", f'{RUN_KEY} = ""', f"{RESUME_KEY} = false", ""),
    ]
    return "\n".join(lines).encode()


def check_bundle(bundle: bytes, *, server_app: str = SERVER_APP, client_app: str = CLIENT_APP) -> None:
    """Raise `BundleRefused` unless this is the bundle of this release, naming these apps. Nothing in it is run."""
    if len(bundle) > MAXIMUM_BUNDLE_BYTES:
        raise BundleRefused(f"an app bundle of {len(bundle)} bytes")
    expected = project_file(server_app, client_app)
    contents = f"{PROJECT_FILE},{hashlib.sha256(expected).hexdigest()},{8 * len(expected)}".encode()
    if _files(bundle) != {PROJECT_FILE: expected, CONTENTS_FILE: contents}:
        raise BundleRefused("an app bundle that is not this release's")


def _files(bundle: bytes) -> dict[str, bytes]:
    """The files of a small zip; no name may occur twice, since then readers could differ in what they see."""
    try:
        with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
            entries = archive.infolist()
            names = [entry.filename for entry in entries]
            sizes = [entry.file_size for entry in entries]
            if len(names) != len(set(names)) or sum(sizes) > _MAXIMUM_FILE_BYTES:
                raise BundleRefused("an app bundle with too much in it")
            if any(entry.compress_type not in _COMPRESSIONS for entry in entries):
                raise BundleRefused("an app bundle that is packed in another way than Flower's")
            # No more is inflated than a bundle may hold, whatever its directory says of the sizes.
            return {entry.filename: _read(archive, entry) for entry in entries}
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError, ValueError) as fault:
        raise BundleRefused(f"an app bundle that cannot be read: {type(fault).__name__}") from None


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    with archive.open(entry) as file:
        return file.read(_MAXIMUM_FILE_BYTES)
