"""Faults of real processes and servers, and their effect on the handoffs, counted afterwards."""
