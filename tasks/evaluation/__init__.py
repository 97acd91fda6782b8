"""How good an assessor is on sessions whose endings are known: replay, count, judge."""
