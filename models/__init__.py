"""Tables, the state machine and every query."""
