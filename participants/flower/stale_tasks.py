"""Ends the tasks of messages that the SuperNode gave up, so that the executor does not wait for them for ever.

Flower makes a task for the executor when a message is announced, and then fetches the message. If the run ends in
between (its server app was killed, or it was stopped), Flower forgets the message and leaves the task. An executor that
takes it waits for a message that never comes, and takes no other: a participant would be lost to all later runs. One
message is handled at a time, so a SuperNode that has none has no task to wait for.
"""

import functools
from collections.abc import Callable
from typing import Any, Final

import flwr.supernode.start_client_internal as supernode_loop
from flwr.common.constant import Status, SubStatus
from flwr.supercore.version import package_version

KNOWN_VERSION: Final = "1.41.0"
_STEP: Final = "_pull_and_store_message"


def end_stale_tasks() -> bool:
    """Look after each message that was given up; False, and nothing changed, if Flower is not the known version."""
    pull: Callable[..., int | None] | None = getattr(supernode_loop, _STEP, None)
    if package_version != KNOWN_VERSION or pull is None:
        return False

    @functools.wraps(pull)
    def pull_and_end(*, state: Any, **others: Any) -> int | None:
        run_id = pull(state=state, **others)
        if run_id is None:
            for task in state.get_tasks(statuses=[Status.PENDING, Status.STARTING, Status.RUNNING]):
                state.finish_task(task.task_id, sub_status=SubStatus.FAILED, details="")
        return run_id

    setattr(supernode_loop, _STEP, pull_and_end)
    return True
