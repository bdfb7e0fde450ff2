from pathlib import Path

import numpy as np
import pytest

from crypto.identifiers import ParticipantId
from models.enterprise_id import make_enterprise_ids
from participants.bank.book import BankBook
from participants.errors import TableRefused
from participants.records.contract import Category, DataContract, Item, ItemType

IDS = sorted(make_enterprise_ids(np.random.default_rng(5), 4))
LOAN = Item(name="loan", title="Loan", type=ItemType.NUMBER, minimum=0.0, feature=True)
CONTRACT = DataContract(
    holder=ParticipantId("bank-1"), title="Bank", categories=(Category(name="own", title="Own", items=(LOAN,)),)
)
BARE = DataContract(holder=ParticipantId("bank-1"), title="Bank", categories=())


def book(directory: Path, text: str, contract: DataContract = CONTRACT) -> BankBook:
    (directory / "book.csv").write_text(text, encoding="utf-8")
    made = BankBook.create(directory / "book", contract)
    made.import_file(directory / "book.csv")
    return made


def test_decoys_have_no_label_and_no_weight_whatever_the_file_says(tmp_path: Path) -> None:
    lines = ["enterprise_id,loan,default,weight,holdout", f"{IDS[2]},5,1,2,1", f"{IDS[1]},,,7,", f"{IDS[0]},6,0,,0"]
    rows = book(tmp_path, "\n".join(lines)).rows()
    assert rows.enterprise_ids == tuple(IDS[:3])
    np.testing.assert_array_equal(rows.default, [0.0, np.nan, 1.0])
    np.testing.assert_array_equal(rows.weight, [1.0, 0.0, 2.0])
    np.testing.assert_array_equal(rows.holdout, [False, False, True])


def test_weight_and_holdout_may_be_left_out_and_a_bank_may_have_no_features(tmp_path: Path) -> None:
    made = book(tmp_path, f"enterprise_id,default\n{IDS[0]},1\n{IDS[1]},\n", BARE)
    rows = made.rows()
    np.testing.assert_array_equal(rows.weight, [1.0, 0.0])
    assert not rows.holdout.any()
    assert made.features(made.enterprise_ids()) == {}


def test_own_features_are_read_by_id(tmp_path: Path) -> None:
    made = book(tmp_path, f"enterprise_id,default,loan\n{IDS[0]},1,10\n{IDS[1]},,20\n")
    np.testing.assert_array_equal(made.features([IDS[1], IDS[3], IDS[0]])["loan"], [20.0, np.nan, 10.0])


@pytest.mark.parametrize(
    "text",
    [
        f"enterprise_id,loan\n{IDS[0]},1\n",
        f"enterprise_id,loan,default\n{IDS[0]},1,2\n",
        f"enterprise_id,loan,default,weight\n{IDS[0]},1,1,-1\n",
        f"enterprise_id,loan,default,holdout\n{IDS[0]},1,1,perhaps\n",
    ],
)
def test_a_book_without_sound_labels_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(TableRefused):
        book(tmp_path, text)
    assert BankBook(tmp_path / "book").is_empty


def test_rows_do_not_show_themselves(tmp_path: Path) -> None:
    assert IDS[0] not in repr(book(tmp_path, f"enterprise_id,default\n{IDS[0]},1\n", BARE).rows())
