"""Attacks that work without our defences."""
