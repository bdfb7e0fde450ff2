"""Scores for banks: the gateway, the way to the departments, and what is written down of requests."""
