"""Helpers for the --quick mode of the benchmarks."""
