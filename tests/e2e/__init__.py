"""The whole service as real processes."""
