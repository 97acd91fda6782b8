"""Anything slow or repeated: the assessment, the sweep, the batches."""
