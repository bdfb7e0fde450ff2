"""What holds in every process of a node."""

from __future__ import annotations

import subprocess
import sys

import pytest

_SHOW = "import resource; print(*resource.getrlimit(resource.RLIMIT_CORE))"
_PROGRAM = f"""
import resource, subprocess, sys
from models.hosting.operation.process import forbid_core_dumps
_, hardest = resource.getrlimit(resource.RLIMIT_CORE)
lowered = hardest if len(sys.argv) == 1 else int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_CORE, (lowered, lowered))
forbid_core_dumps()
subprocess.run([sys.executable, "-c", {_SHOW!r}])
"""


@pytest.mark.parametrize("lowered", [[], ["0"]])
def test_no_crash_of_a_node_s_process_or_of_one_that_it_starts_leaves_a_copy_of_its_memory(lowered: list[str]) -> None:
    ran = subprocess.run([sys.executable, "-c", _PROGRAM, *lowered], capture_output=True, text=True, check=False)
    assert ran.stdout.strip() in {"0 0", "1 1"}, ran.stderr


def test_a_node_may_open_as_many_files_as_the_machine_lets_it() -> None:
    program = """
import resource
from models.hosting.operation.process import allow_connections
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 3000))
allow_connections()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.stdout.strip() == "3000 3000", ran.stderr
