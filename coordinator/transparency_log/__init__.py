"""The bureau's transparency log: what happened, in an order that nobody can change afterwards.

    log.py             appends entries, and comes back to itself after a stop at any moment
    sequencer.py       appends for all who ask at once, and shows departments what they have not seen
    batch.py           what is appended at once
    logged.py          an entry with its document
    outbox.py          what operators' commands have for it
    places.py          documents of entries, and where entries are
    tail.py            the last entries, in memory
    score_proofs.py    what a score request gets of it
    witnesses.py       has departments cosign it
    cosignatures.py    what they have cosigned
    bureau_log.py      the log of a bureau's home
    service.py         all of it for a bureau that serves
    tile_files.py      the tree and the entries as files (C2SP tlog-tiles)
    entry_bundles.py   entries as such a file has them

The log holds digests of signed documents and nothing about anybody. Without witnesses it proves nothing against the
bureau that keeps it: departments cosign its states, and only those that extend what they saw before.
"""
