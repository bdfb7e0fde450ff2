"""A node's home: its keys by serial, its documents, and whom it trusts."""
