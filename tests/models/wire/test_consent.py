"""What an enterprise signs: one form, bounds on every field, and another digest for every other meaning."""

import hashlib
import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crypto.documents import canonical_json
from crypto.errors import MalformedMessage
from crypto.identifiers import ConsentId, EnterpriseId, ParticipantId, parse_consent_id
from models.wire.consent import (
    LATEST_VERSION,
    LONGEST_RESULT_LIFE_DAYS,
    MAXIMUM_CONSENT_BYTES,
    MOST_USES,
    Computation,
    Consent,
    Language,
    Purpose,
    ReasonsOpenedBy,
    Signatory,
    SignatoryRole,
)
from models.wire.document_fields import LATEST_TIME

CREATED = 1_800_000_000
CONSENT = Consent(
    consent_id=ConsentId("0a" * 16),
    version=2,
    previous_consent_id=ConsentId("0b" * 16),
    enterprise_id=EnterpriseId("91509900MA0000007U"),
    signatory=Signatory(name="王小明", role=SignatoryRole.LEGAL_REPRESENTATIVE, credential_id=b"c" * 16),
    recipient=ParticipantId("bank-of-jiangbei"),
    providers=(ParticipantId("court"), ParticipantId("customs"), ParticipantId("tax")),
    purpose=Purpose.APPLICATION,
    computation=Computation.SCORE_WITH_REASONS,
    reasons_opened_by=ReasonsOpenedBy.BOTH,
    reasons_key=b"r" * 32,
    created_at=CREATED,
    valid_from=CREATED + 10,
    expires_at=CREATED + 86_400,
    maximum_uses=3,
    uses_a_month=2,
    result_life_days=31,
    text_sha256=b"t" * 32,
    use_key_sha256=b"u" * 32,
    language=Language.CHINESE,
    rule_id="application@1",
)
DOCUMENT = (
    '{"computation":"score-with-reasons","consent_id":"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a","created_at":1800000000,'
    '"enterprise_id":"91509900MA0000007U","expires_at":1800086400,"language":"zh-CN","maximum_uses":3,'
    '"previous_consent_id":"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b","providers":["court","customs","tax"],'
    '"purpose":"application","reasons_key":"7272727272727272727272727272727272727272727272727272727272727272",'
    '"reasons_opened_by":"both","recipient":"bank-of-jiangbei","result_life_days":31,'
    '"rule_id":"application@1","signatory":{"credential_id":"63636363636363636363636363636363","name":"王小明",'
    '"role":"legal-representative"},"text_sha256":"7474747474747474747474747474747474747474747474747474747474747474",'
    '"use_key_sha256":"7575757575757575757575757575757575757575757575757575757575757575",'
    '"uses_a_month":2,"valid_from":1800000010,"version":2}'
).encode()

WITH_THE_ENTERPRISE = {ReasonsOpenedBy.ENTERPRISE, ReasonsOpenedBy.BOTH}
names = st.from_regex(r"[a-z0-9-]{1,40}", fullmatch=True).map(ParticipantId)
ids = st.from_regex(r"[0-9a-f]{32}", fullmatch=True).map(ConsentId)


@st.composite
def consents(draw: st.DrawFn) -> Consent:
    """Any consent within the bounds of the form."""
    members = draw(st.lists(names, min_size=4, max_size=12, unique=True))
    consent_id, previous = draw(st.lists(ids, min_size=2, max_size=2, unique=True))
    first = draw(st.booleans())
    times = sorted(draw(st.tuples(*[st.integers(0, LATEST_TIME - 1)] * 3)))
    computation = draw(st.sampled_from(Computation))
    with_reasons = computation is Computation.SCORE_WITH_REASONS
    opened_by = draw(st.sampled_from(ReasonsOpenedBy)) if with_reasons else None
    uses = draw(st.integers(1, MOST_USES))
    return Consent(
        consent_id=consent_id,
        version=1 if first else draw(st.integers(2, LATEST_VERSION)),
        previous_consent_id=None if first else previous,
        enterprise_id=CONSENT.enterprise_id,
        signatory=Signatory(
            name=draw(st.text("王小明éAZ ·", min_size=1, max_size=80).map(str.strip).filter(bool)),
            role=draw(st.sampled_from(SignatoryRole)),
            credential_id=draw(st.binary(min_size=16, max_size=100)),
        ),
        recipient=members[0],
        providers=tuple(sorted(members[1:])),
        purpose=draw(st.sampled_from(Purpose)),
        computation=computation,
        reasons_opened_by=opened_by,
        reasons_key=draw(st.binary(min_size=32, max_size=32)) if opened_by in WITH_THE_ENTERPRISE else None,
        created_at=times[0],
        valid_from=times[1],
        expires_at=times[2] + 1,
        maximum_uses=uses,
        uses_a_month=draw(st.integers(1, uses)),
        result_life_days=draw(st.integers(1, LONGEST_RESULT_LIFE_DAYS)),
        text_sha256=draw(st.binary(min_size=32, max_size=32)),
        use_key_sha256=draw(st.binary(min_size=32, max_size=32)),
        language=draw(st.sampled_from(Language)),
        rule_id=draw(st.from_regex(r"[a-z0-9-]{1,60}@[1-9][0-9]{0,5}", fullmatch=True)),
    )


def test_a_consent_is_this_document_and_comes_back_from_it() -> None:
    assert CONSENT.encode() == DOCUMENT
    assert Consent.decode(DOCUMENT) == CONSENT


def test_the_digest_is_over_the_label_and_the_document() -> None:
    framed = b"yurong/1/hash/consent\0" + len(DOCUMENT).to_bytes(8, "big") + DOCUMENT
    assert CONSENT.digest() == hashlib.sha256(framed).digest()


@given(consents())
def test_every_consent_comes_back_from_its_document(consent: Consent) -> None:
    assert Consent.decode(consent.encode()) == consent


OTHERS: dict[str, Any] = {
    "consent_id": "0c" * 16,
    "version": 3,
    "previous_consent_id": "0c" * 16,
    "enterprise_id": "91509900MA0000015N",
    "signatory": replace(CONSENT.signatory, name="王小红"),
    "recipient": "bank-of-yubei",
    "providers": (*CONSENT.providers, ParticipantId("water")),
    "purpose": Purpose.MONITORING,
    "computation": Computation.SCORE,
    "reasons_opened_by": ReasonsOpenedBy.ENTERPRISE,
    "reasons_key": b"s" * 32,
    "created_at": CREATED + 1,
    "valid_from": CREATED + 11,
    "expires_at": CREATED + 86_401,
    "maximum_uses": 4,
    "uses_a_month": 1,
    "result_life_days": 30,
    "text_sha256": b"u" * 32,
    "use_key_sha256": b"v" * 32,
    "language": Language.ENGLISH,
    "rule_id": "application@2",
}


@pytest.mark.parametrize("field", [one.name for one in fields(Consent)])
def test_every_field_altered_gives_another_digest(field: str) -> None:
    changes = {field: OTHERS[field]}
    if field == "computation":
        changes |= {"reasons_opened_by": None, "reasons_key": None}
    assert replace(CONSENT, **changes).digest() != CONSENT.digest()


@pytest.mark.parametrize(
    "change",
    [{"name": "王小红"}, {"role": SignatoryRole.AUTHORISED_AGENT}, {"credential_id": b"d" * 16}],
    ids=["name", "role", "credential_id"],
)
def test_every_field_of_the_signatory_altered_gives_another_digest(change: dict[str, Any]) -> None:
    altered = replace(CONSENT, signatory=replace(CONSENT.signatory, **change))
    assert altered.digest() != CONSENT.digest()


MANY = [f"d{number:03d}" for number in range(257)]
WITHIN: list[dict[str, Any]] = [
    {"reasons_opened_by": "enterprise"},
    {"reasons_opened_by": "bank", "reasons_key": None},
    {"version": 1, "previous_consent_id": None},
    {"version": LATEST_VERSION},
    {"providers": MANY[:3]},
    {"providers": MANY[:256]},
    {"created_at": 0},
    {"valid_from": CREATED},
    {"expires_at": CREATED + 11},
    {"expires_at": LATEST_TIME},
    {"maximum_uses": 2},
    {"maximum_uses": MOST_USES},
    {"uses_a_month": 1},
    {"uses_a_month": 3},
    {"result_life_days": 1},
    {"result_life_days": LONGEST_RESULT_LIFE_DAYS},
    {"rule_id": "a" * 60 + "@999999"},
]
BEYOND: list[dict[str, Any]] = [
    {"consent_id": "0A" * 16},
    {"consent_id": "0a" * 15},
    {"consent_id": None},
    {"consent_id": "0b" * 16},
    {"version": 0},
    {"version": 1},
    {"version": 2.5},
    {"version": True},
    {"version": "2"},
    {"version": LATEST_VERSION + 1},
    {"previous_consent_id": None},
    {"previous_consent_id": "b"},
    {"enterprise_id": "91509900MA0000007X"},
    {"enterprise_id": 1},
    {"recipient": "Bank"},
    {"recipient": ["bank-of-jiangbei", "bank-of-yubei"]},
    {"recipient": "tax"},
    {"providers": MANY[:2]},
    {"providers": MANY},
    {"providers": ["tax", "customs", "court"]},
    {"providers": ["court", "court", "tax"]},
    {"providers": ["Court", "customs", "tax"]},
    {"providers": ["court", "customs", 1]},
    {"providers": "tax"},
    {"purpose": "any"},
    {"purpose": None},
    {"computation": "score"},
    {"computation": "raw"},
    {"reasons_opened_by": None},
    {"reasons_opened_by": "bureau"},
    {"reasons_opened_by": "bank"},
    {"reasons_key": None},
    {"reasons_key": "72" * 31},
    {"created_at": -1},
    {"created_at": CREATED + 11},
    {"valid_from": CREATED - 1},
    {"valid_from": True},
    {"expires_at": CREATED + 10},
    {"expires_at": LATEST_TIME + 1},
    {"maximum_uses": 1},
    {"maximum_uses": MOST_USES + 1},
    {"maximum_uses": None},
    {"uses_a_month": 0},
    {"uses_a_month": 4},
    {"result_life_days": 0},
    {"result_life_days": LONGEST_RESULT_LIFE_DAYS + 1},
    {"text_sha256": "74" * 31},
    {"text_sha256": "7" * 63},
    {"use_key_sha256": "75" * 33},
    {"use_key_sha256": None},
    {"text_sha256": "7G" * 32},
    {"text_sha256": "AA" * 32},
    {"language": "zh"},
    {"rule_id": "application"},
    {"rule_id": "application@0"},
    {"rule_id": "application@01"},
    {"rule_id": "a" * 61 + "@1"},
    {"rule_id": "application@1000000"},
    {"signatory": None},
    {"signatory": {"name": "王小明", "role": "legal-representative"}},
    {"more": 1},
]
SIGNATORIES: list[dict[str, Any]] = [
    {"name": ""},
    {"name": "n" * 101},
    {"name": " 王"},
    {"name": "王\n"},
    {"name": "王\n明"},
    {"name": "a\u202eb"},
    {"name": "a\u200bb"},
    {"name": "\ue000"},
    {"name": "e\u0301"},
    {"name": 1},
    {"role": "clerk"},
    {"credential_id": "63" * 15},
    {"credential_id": "63" * 1024},
    {"credential_id": "6" * 33},
    {"credential_id": "6C" * 16},
    {"more": 1},
]


def altered(change: dict[str, Any]) -> bytes:
    return canonical_json(json.loads(DOCUMENT) | change)


@pytest.mark.parametrize("change", WITHIN, ids=range(len(WITHIN)))
def test_each_bound_may_be_reached(change: dict[str, Any]) -> None:
    document = altered(change)
    assert Consent.decode(document).encode() == document


@pytest.mark.parametrize("change", BEYOND, ids=range(len(BEYOND)))
def test_no_bound_may_be_passed(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage):
        Consent.decode(altered(change))


@pytest.mark.parametrize("change", SIGNATORIES, ids=range(len(SIGNATORIES)))
def test_a_signatory_has_one_visible_name_and_one_passkey(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage):
        Consent.decode(altered({"signatory": CONSENT.signatory.fields() | change}))


@pytest.mark.parametrize("name", ["n" * 100, "欧阳 娜娜", "Zoë O’Brien", "\U00030edd"], ids=range(4))
def test_names_of_people_are_taken(name: str) -> None:
    consent = replace(CONSENT, signatory=replace(CONSENT.signatory, name=name))
    assert Consent.decode(consent.encode()) == consent


@pytest.mark.parametrize("key", sorted(json.loads(DOCUMENT)))
def test_no_field_may_be_missing(key: str) -> None:
    rest = {name: value for name, value in json.loads(DOCUMENT).items() if name != key}
    with pytest.raises(MalformedMessage):
        Consent.decode(canonical_json(rest))


@pytest.mark.parametrize(
    "data",
    [
        DOCUMENT + b"\n",
        b" " + DOCUMENT,
        DOCUMENT.replace(b'"version":2', b'"version":2.0'),
        DOCUMENT.replace(b'"version":2', b'"version":2,"version":2'),
        DOCUMENT.replace("王".encode(), b"\\u738b"),
        DOCUMENT.replace("王".encode(), b"\\ud800"),
        DOCUMENT.replace(b'"version":2', b'"version":NaN'),
        json.dumps(json.loads(DOCUMENT)).encode(),
    ],
    ids=range(8),
)
def test_another_spelling_of_the_same_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        Consent.decode(data)


def test_the_longest_consent_fits_and_nothing_longer_is_read() -> None:
    longest = replace(
        CONSENT,
        signatory=Signatory(
            name="\U00030edd" * 100, role=SignatoryRole.LEGAL_REPRESENTATIVE, credential_id=b"c" * 1023
        ),
        recipient=ParticipantId("b" * 40),
        providers=tuple(ParticipantId(f"{number:040d}") for number in range(256)),
        created_at=LATEST_TIME - 2,
        valid_from=LATEST_TIME - 1,
        expires_at=LATEST_TIME,
        maximum_uses=MOST_USES,
        uses_a_month=MOST_USES,
        rule_id="a" * 60 + "@999999",
        version=LATEST_VERSION,
    )
    assert len(longest.encode()) <= MAXIMUM_CONSENT_BYTES
    assert Consent.decode(longest.encode()) == longest
    with pytest.raises(MalformedMessage, match="too long"):
        Consent.decode(b'{"a":"' + b"a" * MAXIMUM_CONSENT_BYTES + b'"}')


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(json.loads(DOCUMENT))), json_values)
@example("version", 10**400)
def test_only_our_error_escapes_whatever_a_field_holds(key: str, value: Any) -> None:
    data = json.dumps(json.loads(DOCUMENT) | {key: value}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    read(data.encode("utf-8", "surrogatepass"))


@given(st.binary(max_size=64) | st.binary(max_size=8).map(lambda end: DOCUMENT[: -len(end) or None] + end))
@example(b"[" * 10_000)
def test_only_our_error_escapes_from_any_bytes(data: bytes) -> None:
    read(data)


@given(st.integers(0, len(DOCUMENT) - 1), st.integers(1, 255))
def test_a_byte_altered_is_refused_or_is_another_consent(place: int, by: int) -> None:
    data = bytearray(DOCUMENT)
    data[place] ^= by
    read(bytes(data))


def read(data: bytes) -> None:
    """Either the error, or the one form of a consent."""
    try:
        consent = Consent.decode(data)
    except MalformedMessage:
        return
    assert consent.encode() == data
    assert (consent.digest() == CONSENT.digest()) == (data == DOCUMENT)


@pytest.mark.parametrize(
    "text", ["", "0a" * 15, "0a" * 17, "0A" * 16, "0g" * 16, "0a" * 16 + "\n", "٠" * 32], ids=range(7)
)
def test_a_consent_id_is_32_hexadecimal_digits(text: str) -> None:
    assert parse_consent_id("0a" * 16) == CONSENT.consent_id
    with pytest.raises(MalformedMessage):
        parse_consent_id(text)
