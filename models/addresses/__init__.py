"""Addresses of servers, taken apart once, so that all clients mean the same server by them."""
