"""The program of the SuperLink: Flower's own, behind `LinkGuard`, with a shorter heartbeat allowed.

    python -m coordinator.flower.link_program --control-key-file FILE FLAGS

The flags are those of `flower-superlink`. It does not start unless Flower is found to be exactly what this was written
for: a guard that is not in force would be worse than none.
"""

import ast
import inspect
import os
import sys
from pathlib import Path
from typing import Final

from flwr.supercore.version import package_version
from flwr.superlink import extensions
from flwr.superlink import main as flower_main
from flwr.superlink.cli import flower_superlink
from starlette.middleware import Middleware

from coordinator.errors import FlowerUnknown
from coordinator.flower.link_guard import LinkGuard
from coordinator.flower.pauses import allow_short_heartbeats

KNOWN_VERSION: Final = "1.41.0"
_OPTION: Final = "--control-key-file"


def put_guard(control_key: bytes) -> None:
    """Make `LinkGuard` the outermost layer of the SuperLinks that are made from now on.

    Flower asks `extensions.get_middleware` what goes outside of its own layers. Raises `FlowerUnknown` if it does not.
    """
    if package_version != KNOWN_VERSION or not _asks_for_extensions_first():
        raise FlowerUnknown(
            "Flower's SuperLink cannot be guarded", advice=f"Install flwr=={KNOWN_VERSION}, as pyproject.toml says."
        )
    layers = (Middleware(LinkGuard, control_key=control_key),)
    setattr(extensions, "get_middleware", lambda: layers)  # noqa: B010 - a plain assignment is a type error, rightly


def _asks_for_extensions_first() -> bool:
    match ast.parse(inspect.getsource(flower_main._get_middleware)).body[-1]:  # noqa: SLF001 - the seam
        case ast.FunctionDef(
            body=[*_, ast.Return(value=ast.List(elts=[ast.Starred(value=ast.Call(func=called)), *_]))]
        ):
            return ast.unparse(called) == "extensions.get_middleware"
    return False


def main() -> None:
    """Take our one option off the command line and start Flower's SuperLink with the rest."""
    if _OPTION not in sys.argv:
        raise SystemExit(f"{_OPTION} is missing")
    at = sys.argv.index(_OPTION)
    control_key = Path(sys.argv[at + 1]).read_bytes()
    del sys.argv[at : at + 2]
    os.umask(0o077)
    put_guard(control_key)
    allow_short_heartbeats()
    flower_superlink()


if __name__ == "__main__":
    main()
