"""Benchmarks: one command, everything measured in one run, told as ratios. Nothing here is asserted."""
