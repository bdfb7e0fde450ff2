"""A participant's own records: the contract, files read and checked, the table on its disk."""
