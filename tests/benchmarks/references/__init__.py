"""The references of the benchmarks: the least that could do the same job, under the same servers and settings."""
