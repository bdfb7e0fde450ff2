"""How strongly weights are held back unless a plan says otherwise. Apart from the blocks, which take long to load."""

from typing import Final

DEFAULT_SMOOTHNESS: Final = 20.0
"""Penalty on the squared second differences of neighbouring bins, as so many rows' worth of curvature."""
DEFAULT_RIDGE: Final = 6.0
"""Penalty on every squared weight. Never 0: it is what makes the optimum unique and rounds few."""
