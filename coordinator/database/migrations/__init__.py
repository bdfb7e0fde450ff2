"""The revisions of the bureau's tables, in order: a file each, never changed once it was released."""
