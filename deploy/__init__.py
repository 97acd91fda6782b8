"""Everything that runs the service; nothing in here is imported by it."""
