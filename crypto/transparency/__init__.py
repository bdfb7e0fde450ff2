"""What makes a log tamper-evident: an append-only hash tree, signed states of it, and proofs against them.

    frontier.py       the tree as whoever appends to it keeps it: a few digests, and its root
    consistency.py    that one state of the tree is the beginning of another
    tiles.py          the tree as it lies on a disk, and the proofs that can be read from it
    note.py           text under signatures (C2SP signed-note)
    checkpoint.py     a state of a log, as such a text (C2SP tlog-checkpoint)
    cosignature.py    a witness saw this state, and each one before is its beginning (C2SP tlog-cosignature)
    witness.py        what a witness has seen after it is shown more, and what it refuses
    receipt.py        an entry is in a log that so many witnesses have seen; anybody verifies it (C2SP tlog-proof)

The tree is that of RFC 6962, section 2.1, with SHA-256 (`crypto.merkle`). Nothing here reads or writes a file.
"""
