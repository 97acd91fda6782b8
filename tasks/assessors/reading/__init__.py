"""Read what people write in tickets: sentences, attempts and outcomes, proposals, replies. English only."""
