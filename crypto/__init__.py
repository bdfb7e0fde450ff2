"""Primitives and two-party protocols: no input or output, no web, no Flower, no database."""
