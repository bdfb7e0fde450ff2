"""Runs of training: proposed, conducted from the first message to the last, taken up again, recorded."""
