"""Reads what people write in tickets: sentences, attempts and how they ended, proposals, answers. English."""
