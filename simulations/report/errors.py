"""Every error of the report.

SimulationError
└── ReportRefused   what the report was given cannot be true: parts that do not add up, a result of another shape
"""

from simulations.errors import SimulationError


class ReportRefused(SimulationError):
    """The report would have to say something that its data do not."""
