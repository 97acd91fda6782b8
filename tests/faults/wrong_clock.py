"""Celery's own command on a machine with a wrong clock: time.time() and datetime.now() are shifted."""

from __future__ import annotations

import datetime
import os
import time

OFF_SECONDS = float(os.environ["CLOCK_OFF_SECONDS"])

_time = time.time
_Right = datetime.datetime


class Wrong(_Right):
    """The class that everything imports as datetime from now on."""

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Wrong:
        """The wrong time."""
        return cls.fromtimestamp(_time() + OFF_SECONDS, tz)

    @classmethod
    def utcnow(cls) -> Wrong:
        """The wrong time, naive."""
        return cls.now(datetime.UTC).replace(tzinfo=None)


if __name__ == "__main__":
    # Before anything of Celery or of the service is imported.
    time.time = lambda: _time() + OFF_SECONDS
    datetime.datetime = Wrong  # type: ignore[misc]
    from celery.bin.celery import main

    main()
