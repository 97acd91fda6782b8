"""A worker process: its lifecycle, and how its consumer learns of free slots."""
