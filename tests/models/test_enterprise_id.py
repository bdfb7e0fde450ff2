import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import YurongError
from models.enterprise_id import (
    FICTITIOUS_CODES,
    InvalidEnterpriseId,
    enterprise_id_fault,
    make_enterprise_id,
    make_enterprise_ids,
    numbered_enterprise_ids,
    parse_enterprise_id,
    valid_enterprise_ids,
)

# Codes that their holders print on their own public pages.
REAL = ["91330100799655058B", "914403001922038216", "9144030071526726XG", "91110000600037341L"]
ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
MADE = make_enterprise_ids(np.random.default_rng(7), 50)


@pytest.mark.parametrize("code", REAL)
def test_real_codes_are_read(code: str) -> None:
    assert parse_enterprise_id(code) == code
    assert valid_enterprise_ids([code]).all()


@pytest.mark.parametrize(
    ("code", "part"),
    [
        ("", "18 characters"),
        ("9133010079965505", "18 characters"),
        ("91330100799655058b", "alphabet"),
        ("9133010079965505 B", "alphabet"),
        ("91330100799655058Ｂ", "alphabet"),
        ("B1330100799655058B", "authority"),
        ("90330100799655058B", "kind"),
        ("91330A00799655058B", "region"),
        ("91330100799655068B", "organisation code"),
        ("91330100799655058A", "whole code"),
    ],
)
def test_the_error_names_the_wrong_part_and_never_the_code(code: str, part: str) -> None:
    with pytest.raises(InvalidEnterpriseId, match=part) as caught:
        parse_enterprise_id(code)
    assert not code or code not in str(caught.value)
    assert caught.value.advice
    assert not valid_enterprise_ids([code]).any()


def test_a_code_with_only_the_outer_check_digit_right_is_refused() -> None:
    for last in ALPHABET:
        assert enterprise_id_fault("91330100799655068" + last) is not None


def test_authorities_that_are_letters_are_read() -> None:
    body = "N1330100799655058"
    assert [enterprise_id_fault(body + last) for last in ALPHABET].count(None) == 1


def test_made_ids_are_valid_distinct_and_of_no_real_region() -> None:
    ids = make_enterprise_ids(np.random.default_rng(1), 20_000)
    assert len(set(ids)) == 20_000
    assert valid_enterprise_ids(ids).all()
    assert all(parse_enterprise_id(made)[2:6] == "5099" for made in ids[:500])
    assert make_enterprise_id(np.random.default_rng(3)) == make_enterprise_id(np.random.default_rng(3))


def test_a_number_has_one_id_and_bounds_are_kept() -> None:
    numbers = np.array([0, 1, FICTITIOUS_CODES - 1])
    first = numbered_enterprise_ids(numbers)
    assert first == numbered_enterprise_ids(numbers)
    assert len(set(first)) == 3
    with pytest.raises(ValueError, match="number"):
        numbered_enterprise_ids(np.array([-1]))
    with pytest.raises(ValueError, match="district"):
        numbered_enterprise_ids(np.array([1]), np.array([100]))
    assert numbered_enterprise_ids(np.array([], dtype=np.int64)) == []


@given(st.sampled_from(MADE), st.integers(0, 17), st.sampled_from(ALPHABET))
def test_every_single_wrong_character_is_found(code: str, position: int, character: str) -> None:
    changed = code[:position] + character + code[position + 1 :]
    assert (enterprise_id_fault(changed) is None) == (changed == code)


@given(st.lists(st.one_of(st.text(max_size=20), st.text(ALPHABET, min_size=18, max_size=18), st.sampled_from(MADE))))
def test_both_readings_agree_and_only_our_error_escapes(texts: list[str]) -> None:
    assert valid_enterprise_ids(texts).tolist() == [enterprise_id_fault(text) is None for text in texts]
    for text in texts:
        try:
            parse_enterprise_id(text)
        except YurongError:
            continue
