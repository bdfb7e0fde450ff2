"""The unified social credit code of an enterprise (GB 32100-2015), read strictly and made for synthetic worlds.

    91 509901 MA 000000 X  C
    │  │      └───────┘ │  └─ 18     check digit over characters 1..17, modulus 31
    │  │          │     └──── 17     check digit of the organisation code, modulus 11 (GB 11714-1997)
    │  │          └────────── 9..16  organisation code
    │  └───────────────────── 3..8   region (GB/T 2260)
    └──────────────────────── 1..2   registration authority and kind of entity

Both check digits are verified: a code that passes the outer one alone is no code. Codes of authorities that are letters
(`A` military, `N` agriculture, `Y` others) are read like all others.

A code made here carries a region of 5099dd, which GB/T 2260 gives to no place, so that no synthetic enterprise
has the code of a real one.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from crypto.errors import MalformedMessage
from crypto.identifiers import EnterpriseId

LENGTH: Final = 18
_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_AUTHORITIES: Final = "123456789ANY"
_KINDS: Final = "123456789"
_DIGITS: Final = "0123456789"
_WEIGHTS: Final = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
_ORGANISATION_WEIGHTS: Final = (3, 7, 9, 10, 5, 8, 4, 2)
_ORGANISATION_CHECKS: Final = "0123456789X"
_ADVICE: Final = "A unified social credit code is the 18 characters on the business licence, in capitals, no spaces."

_VALUES: Final = {character: value for value, character in enumerate(_ALPHABET)}
# GB 11714 counts A as 10 to Z as 35, with the letters that GB 32100 leaves out.
_ORGANISATION_VALUES: Final = {character: int(character, 36) for character in _ALPHABET}

FICTITIOUS_REGION: Final = "5099"
FICTITIOUS_CODES: Final = len(_ALPHABET) ** 6
"""How many organisation numbers `make_enterprise_ids` has to give."""


class InvalidEnterpriseId(MalformedMessage):
    """Text that is no unified social credit code. The message names the part, never the code."""


def _refuse(part: str) -> InvalidEnterpriseId:
    return InvalidEnterpriseId(f"not a unified social credit code: {part}", advice=_ADVICE)


def parse_enterprise_id(text: str) -> EnterpriseId:
    """Return `text` as an enterprise id, or raise `InvalidEnterpriseId` saying which part is wrong."""
    fault = enterprise_id_fault(text)
    if fault is not None:
        raise _refuse(fault)
    return EnterpriseId(text)


def enterprise_id_fault(text: str) -> str | None:
    """Say which part of `text` keeps it from being an enterprise id; None when nothing does."""
    if len(text) != LENGTH:
        return "it has not 18 characters"
    if any(character not in _VALUES for character in text):
        return "a character is outside the code's alphabet (0-9 and A-Z without I, O, S, V and Z)"
    fault = None
    if text[0] not in _AUTHORITIES:
        fault = "the registration authority (character 1) does not exist"
    elif text[1] not in _KINDS:
        fault = "the kind of entity (character 2) does not exist"
    elif any(character not in _DIGITS for character in text[2:8]):
        fault = "the region (characters 3 to 8) is not six digits"
    elif text[16] != _organisation_check(text[8:16]):
        fault = "the check digit of the organisation code (character 17) is wrong"
    elif text[17] != _check(text[:17]):
        fault = "the check digit of the whole code (character 18) is wrong"
    return fault


def _organisation_check(body: str) -> str:
    total = sum(weight * _ORGANISATION_VALUES[c] for weight, c in zip(_ORGANISATION_WEIGHTS, body, strict=True))
    return _ORGANISATION_CHECKS[-total % 11]


def _check(body: str) -> str:
    return _ALPHABET[-sum(weight * _VALUES[c] for weight, c in zip(_WEIGHTS, body, strict=True)) % 31]


_UNKNOWN: Final = 255


def _lookup(values: dict[str, int]) -> npt.NDArray[np.uint8]:
    table = np.full(128, _UNKNOWN, dtype=np.uint8)
    for character, value in values.items():
        table[ord(character)] = value
    return table


_VALUE_TABLE: Final = _lookup(_VALUES)
_ORGANISATION_TABLE: Final = _lookup(_ORGANISATION_VALUES)


def _members(characters: str) -> npt.NDArray[np.bool_]:
    table = np.zeros(128, dtype=np.bool_)
    table[[ord(character) for character in characters]] = True
    return table


_IS_AUTHORITY: Final = _members(_AUTHORITIES)
_IS_KIND: Final = _members(_KINDS)
_IS_DIGIT: Final = _members(_DIGITS)


def valid_enterprise_ids(texts: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Tell of each text whether it is an enterprise id: (texts,) bool; the same judgement as `enterprise_id_fault`."""
    valid = np.fromiter((len(text) == LENGTH and text.isascii() for text in texts), dtype=np.bool_, count=len(texts))
    if not valid.any():
        return valid
    candidates = [text for text, good in zip(texts, valid.tolist(), strict=True) if good]
    codes = np.frombuffer("".join(candidates).encode("ascii"), dtype=np.uint8).reshape(-1, LENGTH)
    values = _VALUE_TABLE[codes].astype(np.int64)
    organisation = _ORGANISATION_TABLE[codes[:, 8:16]].astype(np.int64) @ np.array(_ORGANISATION_WEIGHTS)
    checks = np.frombuffer(_ORGANISATION_CHECKS.encode("ascii"), dtype=np.uint8)
    valid[valid] = (
        (values != _UNKNOWN).all(axis=1)
        & _IS_AUTHORITY[codes[:, 0]]
        & _IS_KIND[codes[:, 1]]
        & _IS_DIGIT[codes[:, 2:8]].all(axis=1)
        & (codes[:, 16] == checks[-organisation % 11])
        & (values[:, 17] == -(values[:, :17] @ np.array(_WEIGHTS)) % 31)
    )
    return valid


def make_enterprise_id(rng: np.random.Generator) -> EnterpriseId:
    """Return the valid id of one enterprise that does not exist."""
    return make_enterprise_ids(rng, 1)[0]


def make_enterprise_ids(rng: np.random.Generator, count: int) -> list[EnterpriseId]:
    """Return `count` distinct valid ids of enterprises that do not exist, in no order."""
    numbers = rng.choice(FICTITIOUS_CODES, size=count, replace=False, shuffle=True)
    return numbered_enterprise_ids(numbers, rng.integers(1, 39, size=count))


def numbered_enterprise_ids(
    numbers: npt.NDArray[np.int64], districts: npt.NDArray[np.int64] | None = None
) -> list[EnterpriseId]:
    """Return for each number (0 to 31^6 - 1) its valid id of an enterprise that does not exist.

    The same number in the same district (0 to 99; all 0 when left out) always gives the same id and another number
    another one. Both arrays: (ids,).
    """
    places = np.zeros_like(numbers) if districts is None else districts
    if numbers.size and (numbers.min() < 0 or numbers.max() >= FICTITIOUS_CODES):
        raise ValueError("an organisation number is out of its range")
    if places.size and (places.min() < 0 or places.max() > 99):
        raise ValueError("a district is out of its range")
    alphabet = np.frombuffer(_ALPHABET.encode("ascii"), dtype=np.uint8)
    codes = np.empty((numbers.size, LENGTH), dtype=np.uint8)
    codes[:, :6] = np.frombuffer(b"91" + FICTITIOUS_REGION.encode("ascii"), dtype=np.uint8)
    codes[:, 6] = alphabet[places // 10]
    codes[:, 7] = alphabet[places % 10]
    codes[:, 8:10] = np.frombuffer(b"MA", dtype=np.uint8)
    codes[:, 10:16] = alphabet[numbers[:, None] // 31 ** np.arange(5, -1, -1) % 31]
    organisation = _ORGANISATION_TABLE[codes[:, 8:16]].astype(np.int64) @ np.array(_ORGANISATION_WEIGHTS)
    codes[:, 16] = np.frombuffer(_ORGANISATION_CHECKS.encode("ascii"), dtype=np.uint8)[-organisation % 11]
    codes[:, 17] = alphabet[-(_VALUE_TABLE[codes[:, :17]].astype(np.int64) @ np.array(_WEIGHTS)) % 31]
    text = codes.tobytes().decode("ascii")
    return [EnterpriseId(text[start : start + LENGTH]) for start in range(0, len(text), LENGTH)]
