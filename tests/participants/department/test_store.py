import time
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from crypto.identifiers import ParticipantId
from models.enterprise_id import make_enterprise_ids
from participants.department.store import DepartmentStore
from participants.errors import ContractRefused, StoreUnusable, TableRefused
from participants.records.contract import Category, DataContract, Item, ItemType

IDS = sorted(make_enterprise_ids(np.random.default_rng(5), 10))
STRANGER = make_enterprise_ids(np.random.default_rng(6), 1)[0]


def item(name: str, kind: ItemType) -> Item:
    return Item(name=name, title=name, type=kind, feature=kind is not ItemType.TEXT)


CONTRACT = DataContract(
    holder=ParticipantId("tax"),
    title="Tax",
    categories=(
        Category(
            name="all",
            title="All",
            items=(
                item("grade", ItemType.CATEGORY),
                item("sales", ItemType.NUMBER),
                item("name", ItemType.TEXT),
                item("since", ItemType.DATE),
                item("listed", ItemType.FLAG),
            ),
        ),
    ),
)
GOOD = f"""enterprise_id,as_of,name,sales,grade,since,listed
{IDS[3]},2026-05-01,x,1.5,A,1970-01-11,1
{IDS[0]},2026-05-02,y,,,,0
"""


@pytest.fixture
def store(tmp_path: Path) -> DepartmentStore:
    (tmp_path / "good.csv").write_text(GOOD, encoding="utf-8")
    made = DepartmentStore.create(tmp_path / "home" / "data", CONTRACT)
    made.import_file(tmp_path / "good.csv")
    return made


def snapshot(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_features_come_in_contract_order_and_the_order_asked_for(store: DepartmentStore) -> None:
    features = store.features([IDS[3], STRANGER, IDS[0], IDS[3]])
    assert list(features) == ["grade", "sales", "since", "listed"]
    assert features["grade"] == ["A", None, None, "A"]
    np.testing.assert_array_equal(features["sales"], [1.5, np.nan, np.nan, 1.5])
    np.testing.assert_array_equal(features["since"], [10.0, np.nan, np.nan, 10.0])
    np.testing.assert_array_equal(features["listed"], [1.0, np.nan, 0.0, 1.0])
    assert store.as_of([IDS[0], STRANGER]) == [date(2026, 5, 2), None]


def test_ids_are_listed_in_ascending_order_whatever_the_file_had(store: DepartmentStore) -> None:
    assert store.enterprise_ids() == [IDS[0], IDS[3]]


def test_files_are_their_owners_alone(store: DepartmentStore, tmp_path: Path) -> None:
    directory = tmp_path / "home" / "data"
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}
    assert store.import_file(tmp_path / "good.csv") == 2
    assert len(list(directory.iterdir())) == 3


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PAR1",
        GOOD.replace("1.5", "high").encode(),
        GOOD.replace(IDS[3], IDS[0]).encode(),
        GOOD.replace("name,", "").encode(),
        GOOD.encode("utf-16"),
    ],
)
def test_a_bad_file_changes_nothing(store: DepartmentStore, tmp_path: Path, content: bytes) -> None:
    before = snapshot(tmp_path / "home" / "data")
    (tmp_path / "bad.csv").write_bytes(content)
    with pytest.raises(TableRefused):
        store.import_file(tmp_path / "bad.csv")
    assert snapshot(tmp_path / "home" / "data") == before
    assert store.enterprise_ids() == [IDS[0], IDS[3]]


def test_a_failing_disk_leaves_the_old_table_in_force(
    store: DepartmentStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "new.csv").write_text(GOOD.replace("1.5", "2.5"), encoding="utf-8")

    def no_space(_: int) -> None:
        raise OSError(28, "No space left on device")

    before = snapshot(tmp_path / "home" / "data")
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", no_space)
        with pytest.raises(StoreUnusable, match="No space"):
            store.import_file(tmp_path / "new.csv")
    assert snapshot(tmp_path / "home" / "data") == before
    store.import_file(tmp_path / "new.csv")
    assert store.features([IDS[3]])["sales"] == [2.5]


def test_a_new_import_is_seen_by_a_store_that_is_open(store: DepartmentStore, tmp_path: Path) -> None:
    other = DepartmentStore(tmp_path / "home" / "data")
    assert len(other.enterprise_ids()) == 2
    (tmp_path / "new.csv").write_text("\n".join(GOOD.splitlines()[:2]), encoding="utf-8")
    store.import_file(tmp_path / "new.csv")
    assert other.enterprise_ids() == [IDS[3]]


def test_a_store_that_is_empty_damaged_or_of_another_contract_says_so(store: DepartmentStore, tmp_path: Path) -> None:
    directory = tmp_path / "home" / "data"
    assert not store.is_empty
    empty = DepartmentStore.create(tmp_path / "other", CONTRACT)
    assert empty.is_empty
    with pytest.raises(StoreUnusable, match="imported"):
        empty.enterprise_ids()
    with pytest.raises(ContractRefused):
        DepartmentStore(tmp_path / "nowhere")
    table = next(directory.glob("*.parquet"))
    table.write_bytes(table.read_bytes()[:-10])
    with pytest.raises(StoreUnusable, match="damaged"):
        DepartmentStore(directory).enterprise_ids()
    for manifest in (b"{}", b"[", b'{"format": 1, "file": "../../x"}'):
        (directory / "current.json").write_bytes(manifest)
        with pytest.raises(StoreUnusable, match="damaged"):
            DepartmentStore(directory).enterprise_ids()
    changed = DepartmentStore.create(directory, CONTRACT.with_features(frozenset({"sales"})))
    changed.import_file(tmp_path / "good.csv")
    DepartmentStore.create(directory, CONTRACT)
    with pytest.raises(StoreUnusable, match="contract has changed"):
        changed.enterprise_ids()


def test_a_store_that_is_open_follows_a_contract_that_is_edited(store: DepartmentStore, tmp_path: Path) -> None:
    directory, before = tmp_path / "home" / "data", store.enterprise_ids()
    fewer = CONTRACT.with_features(frozenset({"sales"}))
    DepartmentStore.create(directory, fewer)  # as by another process, while this one runs
    with pytest.raises(StoreUnusable, match="contract has changed"):
        store.enterprise_ids()
    DepartmentStore(directory).import_file(tmp_path / "good.csv")
    assert store.enterprise_ids() == before
    assert list(store.features(before)) == ["sales"]
    (directory / "contract.toml").write_text("[")
    with pytest.raises(ContractRefused):
        store.features(before)


def test_thirty_thousand_rows_are_read_quickly(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    ids = make_enterprise_ids(rng, 30_000)
    contract = DataContract(
        holder=ParticipantId("tax"),
        title="Tax",
        categories=(
            Category(
                name="all",
                title="All",
                items=(
                    *(item(f"x{index}", ItemType.NUMBER) for index in range(6)),
                    *(item(f"c{index}", ItemType.CATEGORY) for index in range(2)),
                ),
            ),
        ),
    )
    columns = {f"x{index}": rng.normal(size=len(ids)) for index in range(6)}
    texts = {f"c{index}": rng.choice(["a", "b"], len(ids)) for index in range(2)}
    path = tmp_path / "data.csv"
    pl.DataFrame({"enterprise_id": ids, **columns, **texts}).write_csv(path)
    DepartmentStore.create(tmp_path / "store", contract).import_file(path)
    store = DepartmentStore(tmp_path / "store")
    start = time.perf_counter()
    features = store.features(ids)
    seconds = time.perf_counter() - start
    np.testing.assert_array_equal(features["x0"], columns["x0"])
    assert seconds < 1.0  # 0.05 s on an idle machine
