"""What a bank holds and answers."""
