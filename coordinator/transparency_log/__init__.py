"""The bureau's transparency log: what happened, in an order that nobody can change afterwards.

    log.py             appends entries, and comes back to itself after a stop at any moment
    tile_files.py      the tree and the entries as files (C2SP tlog-tiles)
    entry_bundles.py   entries as such a file has them

The log holds digests of signed documents and nothing about anybody. Without witnesses it proves nothing against the
bureau that keeps it: departments cosign its states, and only those that extend what they saw before.
"""
