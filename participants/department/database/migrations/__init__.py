"""The revisions of a department's tables, in order: a file each, never changed once it was released."""
