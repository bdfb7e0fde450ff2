"""The report of a run: one self-contained page that says what the collaboration was worth and who saw what."""
