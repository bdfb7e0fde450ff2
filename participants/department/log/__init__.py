"""A department as a witness of the transparency log.

The log is `docs/protocols.md`'s, "The log".

    view.py          takes in what the log shows, cosigns, and refuses what is no extension of what was seen
    entries.py       what is remembered of entries: where documents and uses stand, and public documents
    alarms.py        evidence that the log is not what it was, until the operator has settled it
    status.py        what the operator sees of all this, and does about an alarm
    permissions.py   who may do what, as the log has it; permission_rows.py has it as an operator reads it
    clocks.py        this department's clock against those of the other witnesses
"""
