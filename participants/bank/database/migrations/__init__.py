"""The revisions of a bank's tables, in order: a file each, never changed once it was released."""
