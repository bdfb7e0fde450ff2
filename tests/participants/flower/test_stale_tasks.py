from typing import Any

import flwr.supernode.start_client_internal as supernode_loop
import pytest
from flwr.supercore.constant import TaskType
from flwr.supercore.object_store import ObjectStoreFactory
from flwr.supernode.nodestate import NodeStateFactory

from participants.flower import stale_tasks
from participants.flower.stale_tasks import end_stale_tasks

LOOP: Any = supernode_loop


def unfinished_after(monkeypatch: pytest.MonkeyPatch, run_id: int | None) -> int:
    """How many tasks are left when a message was taken (`run_id`) or given up after its task had been made."""
    state = NodeStateFactory(objectstore_factory=ObjectStoreFactory()).state()
    state.set_node_id(7)

    def pull(*, state: Any) -> int | None:
        state.create_task(task_type=TaskType.CLIENT_APP, run_id=1, fab_hash="f")
        return run_id

    monkeypatch.setattr(LOOP, "_pull_and_store_message", pull)
    assert end_stale_tasks()
    assert LOOP._pull_and_store_message(state=state) == run_id
    return len(state.get_tasks(statuses=["pending", "starting", "running"]))


def test_the_task_of_a_message_that_was_given_up_is_ended_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    assert unfinished_after(monkeypatch, None) == 0
    assert unfinished_after(monkeypatch, 1) == 1


def test_another_flower_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stale_tasks, "package_version", "1.42.0")
    before = LOOP._pull_and_store_message
    assert not end_stale_tasks()
    assert LOOP._pull_and_store_message is before
