"""What a department holds and answers."""
