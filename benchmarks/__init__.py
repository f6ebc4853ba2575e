"""Benchmarks: every figure in the README is printed by a script in this folder."""
