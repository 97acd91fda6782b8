"""Celery's own command with a consumer that never asks Redis for a message: alive, connected, deaf."""

from __future__ import annotations

from celery.bin.celery import main
from kombu.transport import redis

if __name__ == "__main__":
    redis.Channel._brpop_start = lambda self, timeout=None: None
    main()
