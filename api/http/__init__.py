"""Shared HTTP machinery: strict parsing, one shape of errors and answers, retries, CORS."""
