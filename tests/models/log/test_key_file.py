"""The keys of a log as a file: read as they were written, and only for what they are for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import MalformedMessage
from crypto.identifiers import ParticipantId
from models.log.key_file import format_keys, parse_keys, trusted_keys
from simulations.witnessed_log import WitnessedLog

LOG = WitnessedLog(tuple(map(ParticipantId, ("court", "customs", "tax")))).trusted
TEXT = format_keys(LOG)
LOG_WORD, WITNESS_WORDS = LOG.log_keys[0].encode(), [key.encode() for key in LOG.witnesses]


def test_keys_are_read_as_they_were_written() -> None:
    assert parse_keys(TEXT) == LOG
    assert TEXT.splitlines()[0].startswith("log yurong.log/bureau+")
    assert TEXT.splitlines()[-1] == "quorum 2"


def test_comments_blank_lines_and_no_quorum_are_taken() -> None:
    text = TEXT.replace("quorum 2\n", "\n# who has seen it\n").replace("log ", "log  ", 1)
    assert parse_keys(text) == LOG


WRONG = {
    "nothing": "",
    "no witness": f"log {LOG_WORD}",
    "no log": f"witness {WITNESS_WORDS[0]}",
    "exchanged": f"witness {LOG_WORD}\nlog {WITNESS_WORDS[0]}",
    "witness as log": TEXT.replace("log ", "witness ", 1),
    "another kind": TEXT + "key x\n",
    "two words": TEXT + f"witness {WITNESS_WORDS[0]} {WITNESS_WORDS[1]}\n",
    "no word": TEXT + "witness\n",
    "quorum of none": TEXT.replace("quorum 2", "quorum 0"),
    "quorum of more": TEXT.replace("quorum 2", "quorum 4"),
    "two quorums": TEXT + "quorum 2\n",
    "no number": TEXT.replace("quorum 2", "quorum two"),
    "two logs": f"{TEXT}log {WitnessedLog(()).trusted.log_keys[0].encode()}".replace("yurong.log/bureau", "other", 1),
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_what_would_verify_nothing_or_something_else_is_refused(text: str) -> None:
    with pytest.raises(MalformedMessage):
        parse_keys(text)


def test_one_witness_with_two_keys_counts_once() -> None:
    renewed = WitnessedLog((ParticipantId("tax"),)).trusted.witnesses[0].encode()
    log = trusted_keys([LOG_WORD], [*WITNESS_WORDS, renewed])
    assert (len(log.witnesses), log.quorum) == (4, 2)
    with pytest.raises(MalformedMessage, match="4 is not to be had from 3"):
        trusted_keys([LOG_WORD], [*WITNESS_WORDS, renewed], 4)


@given(st.text(max_size=80) | st.text("logwitnesquorum +=#\n0123", max_size=80))
def test_only_our_error_escapes(text: str) -> None:
    for given_text in (text, TEXT + text):
        try:
            log = parse_keys(given_text)
        except MalformedMessage:
            continue
        assert parse_keys(format_keys(log)) == log
