"""Addresses of servers, parsed once so that all clients agree on their meaning."""
