"""What dies, and what it does to the handoffs: real processes, real servers, counted afterwards."""
