"""Writes that meet: on one handoff, of one person, in one session."""
