"""Which software a figure or a model comes from."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from typing import Final

_PACKAGES: Final = ("yurong", "flwr", "torch", "tenseal", "phe", "gmpy2", "numpy", "cryptography", "xgboost")


def installed_versions() -> dict[str, str]:
    """The interpreter, the platform, and of the packages that decide a result those that are installed."""
    versions = {"python": platform.python_version(), "platform": sys.platform}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
