"""The time of day, as a parameter: the same as everywhere in a node."""

from models.hosting.clock import Clock, SystemClock

__all__ = ["Clock", "SystemClock"]
