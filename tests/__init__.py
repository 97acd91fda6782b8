"""The tests: one folder per floor of the service."""
