"""A node in operation: settings, processes looked after, logs, metrics, readiness."""
