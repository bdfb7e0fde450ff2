"""What a node keeps: private files written whole, and its database with migrations."""
