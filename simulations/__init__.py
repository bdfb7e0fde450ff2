"""Worlds, engines, the demo, benchmarks and adversaries: may use everything."""
