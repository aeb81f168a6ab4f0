"""Benchmarks: `make bench` prints ratios measured in one run on one machine. Never part of the tests."""
