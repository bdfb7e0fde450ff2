"""Commands that departments and banks have alike."""
