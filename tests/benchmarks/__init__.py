"""Measurements on real data. They judge nothing; they print tables."""
