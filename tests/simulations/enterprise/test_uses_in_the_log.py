"""An enterprise finds every use of its consents in a copy of the log, and no copy can leave one out."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from crypto.errors import PeerError, SignatureInvalid
from crypto.identifiers import EnterpriseId, ModelVersion, ParticipantId, RequestId
from crypto.identity import Identity
from crypto.passkeys import RelyingParty
from crypto.transparency.errors import TooFewWitnesses
from models.log.errors import CopyRefused
from models.wire.consent import Computation, Purpose
from models.wire.consent_bundle import ConsentBundle
from models.wire.log_entry import EntryKind, LogEntry, use_tag
from models.wire.score_statement import ScoreStatement, request_digest
from simulations.enterprise.log_copy import LogCopy, document_line
from simulations.enterprise.signatory import Signatory
from simulations.enterprise.uses import Outcome, uses_of
from simulations.witnessed_log import WitnessedLog

PARTY = RelyingParty(relying_party_id="credit.example", origins=("https://credit.example",))
DEPARTMENTS = tuple(map(ParticipantId, ("court", "customs", "tax")))
BANK = ParticipantId("bank")
REGISTRAR, BANKER = Identity.generate(), Identity.generate()
AT = 1_800_000_000


def consents() -> list[ConsentBundle]:
    person = Signatory.create(EnterpriseId("91509900MA0000007U"), PARTY)
    person.binding(REGISTRAR, DEPARTMENTS[2], at=AT)
    return [person.consent(BANK, DEPARTMENTS, created_at=AT) for _ in range(2)]


OWN, OTHERS = consents(), consents()


def request(
    log: WitnessedLog, bundle: ConsentBundle, number: int, *, follows: bytes = b"", shown: bool = True
) -> bytes:
    """A bank's request, put into the log; its digest."""
    statement = ScoreStatement(
        request_id=RequestId(f"{len(log.entries):032x}"),
        bank=BANK,
        bank_serial=1,
        model_version=ModelVersion("0c" * 16),
        key_fingerprint=bytes(32),
        expires_at=AT + 60,
        bits=7,
        serials=(1, 1, 1),
        boxes=bytes(32),
        purpose=Purpose.APPLICATION,
        computation=Computation.SCORE,
        use_tag=use_tag(bundle.use_key, number),
        follows=follows,
    )
    document = statement.sign(BANKER)
    log.append(statement.entry(document), document if shown else None)
    return request_digest(document)


@pytest.fixture(scope="module")
def log() -> WitnessedLog:
    """300 entries, a few of them uses of our enterprise's consents."""
    made = WitnessedLog(DEPARTMENTS)
    for number in range(290):
        made.append(LogEntry(kind=EntryKind.ANSWER, digest=number.to_bytes(32, "big")))
        if number == 9:
            first = request(made, OWN[0], 0)
            request(made, OTHERS[0], 0)
            request(made, OWN[0], 0, follows=first)
            request(made, OWN[0], 0)
            request(made, OWN[1], 2)
    request(made, OWN[0], 1, shown=False)
    request(made, OWN[0], 3)
    return made


def test_every_use_is_found_with_what_the_bank_asked(log: WitnessedLog, tmp_path: Path) -> None:
    copy = LogCopy.read(log.publish(tmp_path / "log"), log.trusted)
    uses = uses_of(OWN, copy)
    ids = [bundle.claimed().consent_id for bundle in OWN]
    found = [(one.index, one.consent_id, one.number, one.outcome) for one in uses]
    assert found == [
        (10, ids[0], 0, Outcome.USED),
        (12, ids[0], 0, Outcome.REPEATED),
        (13, ids[0], 0, Outcome.REFUSED),
        (14, ids[1], 2, Outcome.USED),
        (295, ids[0], 1, Outcome.USED),
        (296, ids[0], 3, Outcome.REFUSED),
    ]
    said = uses[0].statement
    assert said is not None
    assert (said.bank, said.purpose, said.expires_at) == (BANK, Purpose.APPLICATION, AT + 60)
    assert uses[4].statement is None
    assert copy.witnesses.keys() == {f"yurong.witness/{name}" for name in DEPARTMENTS}


def test_who_has_not_the_use_key_finds_nothing(log: WitnessedLog, tmp_path: Path) -> None:
    copy = LogCopy.read(log.publish(tmp_path / "log"), log.trusted)
    assert uses_of([replace(OWN[0], use_key=bytes(32))], copy) == []
    assert len(uses_of(OTHERS, copy)) == 1


def test_a_use_that_is_left_out_of_a_copy_is_noticed(log: WitnessedLog, tmp_path: Path) -> None:
    """The bureau hides entry 10: without the root all would look well."""
    less = WitnessedLog(DEPARTMENTS, bureau=log.bureau, entries=[*log.entries[:10], *log.entries[11:]])
    directory = less.publish(tmp_path / "less", log.note())
    with pytest.raises(CopyRefused):
        LogCopy.read(directory, log.trusted)
    # It can sign the shorter log, and has then no witness for it.
    alone = less.publish(tmp_path / "alone", less.note(()))
    with pytest.raises(TooFewWitnesses):
        LogCopy.read(alone, log.trusted)
    with pytest.raises(SignatureInvalid):
        LogCopy.read(alone, WitnessedLog(DEPARTMENTS).trusted)
    believed = replace(log.trusted, witnesses=less.trusted.witnesses)
    weak = less.publish(tmp_path / "weak")
    assert len(uses_of(OWN, LogCopy.read(weak, believed))) == 5  # what colluding witnesses could do


def test_an_entry_that_was_exchanged_or_cut_off_is_noticed(log: WitnessedLog, tmp_path: Path) -> None:
    directory = log.publish(tmp_path / "log")
    bundle = directory / "tile" / "entries" / "000"
    whole = bundle.read_bytes()
    for data in (whole[:-1] + bytes([whole[-1] ^ 1]), whole[: len(whole) // 2], whole[:-35], b""):
        bundle.write_bytes(data)
        with pytest.raises(PeerError):
            LogCopy.read(directory, log.trusted)
    bundle.unlink()
    with pytest.raises(CopyRefused, match="cannot be read"):
        LogCopy.read(directory, log.trusted)


def test_a_wider_bundle_at_the_end_is_taken_as_far_as_the_checkpoint_goes(log: WitnessedLog, tmp_path: Path) -> None:
    directory = log.publish(tmp_path / "log")
    earlier = WitnessedLog(DEPARTMENTS, bureau=log.bureau, entries=log.entries[:270])
    earlier.identities = log.identities
    (directory / "checkpoint").write_bytes(earlier.note().encode())
    (directory / "documents.jsonl").unlink()
    partial = directory / "tile" / "entries" / "001.p"
    shutil.move(partial / "41", directory / "tile" / "entries" / "001")
    assert LogCopy.read(directory, log.trusted).checkpoint.size == 270


def test_a_document_that_is_not_of_its_entry_is_noticed(log: WitnessedLog, tmp_path: Path) -> None:
    directory = log.publish(tmp_path / "log")
    path = directory / "documents.jsonl"
    document = log.documents[10]
    consent = OWN[0].consent
    for line in (
        document_line(11, document),
        document_line(10, document.replace(b"application", b"monitoring")),
        document_line(-1, document),
        document_line(0, consent),
        "{}\n",
        "[]\n",
        '{"index": "10", "document": ""}\n',
        '{"index": 10, "document": "zz"}\n',
    ):
        path.write_text(line)
        with pytest.raises(CopyRefused, match="document"):
            LogCopy.read(directory, log.trusted)
    path.write_text(document_line(10**6, document))  # of an entry that the checkpoint does not have yet
    assert LogCopy.read(directory, log.trusted).documents == {}
    path.unlink()
    assert [one.statement for one in uses_of(OWN, LogCopy.read(directory, log.trusted))] == [None] * 6
