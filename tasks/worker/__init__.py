"""A worker process: how it lives, and how it tells its consumer of free slots."""
