"""Which encoding a text file is in: UTF-8 (with or without a byte order mark) or GB18030, the two that offices write.

The file is read through once, some megabytes at a time, before anything is made of it: a byte that is wrong at its end
is found before its rows are.
"""

import codecs
from typing import Final

from participants.records.data_file import DataFile, refusal
from participants.records.faults import Fault

BYTE_ORDER_MARK: Final = codecs.BOM_UTF8
_BLOCK_BYTES: Final = 4 << 20
_WIDE: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def find_encoding(file: DataFile) -> str:
    """Return `utf-8` or `gb18030`, or raise `TableRefused` with the rows that are neither."""
    file.rewind()
    start = file.read(len(BYTE_ORDER_MARK))
    if start.startswith(_WIDE):
        raise _binary(file)
    row = _first_wrong_row(file, "utf-8")
    if row is None:
        return "utf-8"
    other = _first_wrong_row(file, "gb18030")
    if other is None:
        return "gb18030"
    raise refusal(file.path, Fault(reason="bytes that are neither UTF-8 nor GB18030", rows=tuple(sorted({row, other}))))


def _first_wrong_row(file: DataFile, encoding: str) -> int | None:
    """The row of the first byte that is not in this encoding; None where all are."""
    decoder = codecs.getincrementaldecoder(encoding)()
    skip_mark(file)
    row, blank = 1, True
    while True:
        block = file.read(_BLOCK_BYTES)
        if b"\x00" in block:
            raise _binary(file)
        blank = blank and not block.strip()
        held = len(decoder.getstate()[0])  # the beginning of a character, without a line's end in it
        try:
            decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            return row + block.count(b"\n", 0, max(error.start - held, 0))
        row += block.count(b"\n")
        if not block:
            break
    if blank:
        raise refusal(file.path, Fault(reason="it is empty"))
    return None


def skip_mark(file: DataFile) -> None:
    """Read on from the file's beginning, after its byte order mark if it has one."""
    file.rewind()
    if file.read(len(BYTE_ORDER_MARK)) != BYTE_ORDER_MARK:
        file.rewind()


def _binary(file: DataFile) -> Exception:
    return refusal(file.path, Fault(reason="it is no CSV in UTF-8 or GB18030 (it is binary, or UTF-16)"))
