"""A participant takes the one bundle of its release, and refuses every other without running any of it."""

import hashlib
import io
import struct
import zipfile
from collections.abc import Mapping

import pytest

from models.errors import BundleRefused
from models.wire.app_bundle import CONTENTS_FILE, MAXIMUM_BUNDLE_BYTES, PROJECT_FILE, check_bundle, project_file


def contents(files: Mapping[str, bytes]) -> bytes:
    lines = [f"{name},{hashlib.sha256(data).hexdigest()},{8 * len(data)}" for name, data in files.items()]
    return "\n".join(lines).encode()


def zipped(files: Mapping[str, bytes], *, listed: bool = True) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        if listed:
            archive.writestr(CONTENTS_FILE, contents(files))
    return buffer.getvalue()


def changed(before: bytes, after: bytes) -> bytes:
    assert before in project_file()
    return zipped({PROJECT_FILE: project_file().replace(before, after)})


def test_the_bundle_of_this_release_is_taken() -> None:
    check_bundle(zipped({PROJECT_FILE: project_file()}))
    check_bundle(zipped({PROJECT_FILE: project_file("a:b", "c:d")}), server_app="a:b", client_app="c:d")


@pytest.mark.parametrize(
    "bundle",
    [
        pytest.param(
            zipped({PROJECT_FILE: project_file(), "participants/flower/client_app.py": b"import os"}), id="code"
        ),
        pytest.param(zipped({PROJECT_FILE: project_file(), "README.md": b"hello"}), id="another file"),
        pytest.param(zipped({PROJECT_FILE: project_file()}, listed=False), id="no list of contents"),
        pytest.param(zipped({}), id="nothing"),
        pytest.param(
            changed(b"participants.flower.client_app:app", b"os:system"), id="another app of the participants"
        ),
        pytest.param(
            changed(b"coordinator.flower.server_app:app", b"other.server_app:app"), id="another app of the bureau"
        ),
        pytest.param(changed(b'version = "', b'version = "9.'), id="another release"),
        pytest.param(changed(b"dependencies = []", b'dependencies = ["evil"]'), id="a dependency"),
        pytest.param(changed(b"resume = false", b"resume = false\nextra = 1"), id="more configuration"),
        pytest.param(changed(b"\n[tool.flwr.app]", b"\n\n[tool.flwr.app]"), id="the same, written otherwise"),
        pytest.param(b"", id="empty"),
        pytest.param(b"PK\x03\x04 no zip", id="no zip"),
        pytest.param(bytes(MAXIMUM_BUNDLE_BYTES + 1), id="too large"),
        pytest.param(zipped({PROJECT_FILE: bytes(10 << 20)}), id="a bomb"),
    ],
)
def test_another_bundle_is_refused(bundle: bytes) -> None:
    with pytest.raises(BundleRefused):
        check_bundle(bundle)


def test_a_bundle_with_a_name_twice_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(PROJECT_FILE, b"[project]")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr(PROJECT_FILE, project_file())
        archive.writestr(CONTENTS_FILE, contents({PROJECT_FILE: project_file()}))
    with pytest.raises(BundleRefused, match="too much"):
        check_bundle(buffer.getvalue())


@pytest.mark.parametrize("packed", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_bundle_that_is_packed_in_another_way_is_not_unpacked(packed: int) -> None:
    good = zipped({PROJECT_FILE: project_file()})
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(good)) as archive, zipfile.ZipFile(buffer, "w", packed) as other:
        for name in archive.namelist():
            other.writestr(name, archive.read(name))
    with pytest.raises(BundleRefused, match="another way"):
        check_bundle(buffer.getvalue())


def test_a_bundle_whose_directory_lies_about_a_size_is_not_inflated() -> None:
    bomb = zipped({PROJECT_FILE: bytes(10 << 20)})
    small = bomb.replace(struct.pack("<L", 10 << 20), struct.pack("<L", 100))
    assert small != bomb
    with pytest.raises(BundleRefused):
        check_bundle(small)


def test_every_damaged_byte_is_an_answer_and_not_an_accident() -> None:
    bundle = zipped({PROJECT_FILE: project_file()})
    for position in range(len(bundle)):
        damaged = bytearray(bundle)
        damaged[position] ^= 0x41
        try:
            check_bundle(bytes(damaged))
        except BundleRefused:
            continue
        # Times and attributes in the zip's directory say nothing of what is in it.
        assert zipfile.ZipFile(io.BytesIO(damaged)).read(PROJECT_FILE) == project_file()
