"""The rows of a CSV that can be read without care, all at once.

`csv.reader` is what says how a file is read. Where these hold, any reader of CSV gives what it gives, and a fast one
may take its place:

- every line ends with a line feed (a carriage return before it or not) and has as many fields as the header, so that no
  line is blank;
- a quotation mark is the first or the last character of its field, and there is no other in it, no line's end either;
- no line is longer than the longest field that `csv.reader` takes.
"""

import codecs
import csv
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

_LINE_FEED, _COMMA, _QUOTE = b'\n,"'
_LONGEST: Final = csv.field_size_limit()

_Places = npt.NDArray[np.int64]
_Characters = npt.NDArray[np.uint8]


def plain_rows(data: bytes, header: Sequence[str]) -> pl.DataFrame | None:
    """Return these whole lines (UTF-8) as a table of text, empty fields null; None if they need care."""
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    if b"\r" in data or len(header) < 2 or data.startswith(codecs.BOM_UTF8):  # which polars would leave out
        return None
    if not data.endswith(b"\n"):
        data += b"\n"
    if not _is_plain(np.frombuffer(data, dtype=np.uint8), len(header)):
        return None
    try:
        frame = pl.read_csv(data, has_header=False, schema=dict.fromkeys(header, pl.String), raise_if_empty=False)
    except pl.exceptions.PolarsError:
        return None
    return frame


def _is_plain(characters: _Characters, width: int) -> bool:
    separators = np.flatnonzero((characters == _COMMA) | (characters == _LINE_FEED))
    quotes = np.flatnonzero(characters == _QUOTE)
    if quotes.size:
        if not _quotes_enclose_fields(characters, quotes):
            return False
        within = np.searchsorted(quotes, separators) % 2 == 1
        if (characters[separators[within]] == _LINE_FEED).any():
            return False
        separators = separators[~within]
    if separators.size % width:
        return False
    places = separators.reshape(-1, width)
    kinds = characters[places]
    lengths = np.diff(places[:, -1], prepend=-1)
    return bool((kinds[:, -1] == _LINE_FEED).all() and (kinds[:, :-1] == _COMMA).all() and lengths.max() <= _LONGEST)


def _quotes_enclose_fields(characters: _Characters, quotes: _Places) -> bool:
    """Whether each quote at an even place opens a field and the next one closes it."""
    if quotes.size % 2:
        return False
    opening, closing = quotes[::2], quotes[1::2]
    before = characters[opening - 1]  # of the first character: the last one, a line feed
    after = characters[closing + 1]
    return bool(
        ((before == _COMMA) | (before == _LINE_FEED)).all() and ((after == _COMMA) | (after == _LINE_FEED)).all()
    )
