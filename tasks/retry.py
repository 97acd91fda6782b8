"""Wait for a database that is briefly unavailable, without holding a connection meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from sqlalchemy.exc import TimeoutError as PoolTimeout

from models import logs
from models.database import is_unavailable
from tasks.concurrency import yielding

log = logs.logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

PAUSE_SECONDS = 0.5
LONGEST_SECONDS = 60.0


def is_transient(error: BaseException) -> bool:
    """Whether a later try can succeed: the database is unavailable, restarting, or was too busy."""
    return isinstance(error, PoolTimeout) or is_unavailable(error)


def until_available(act: Callable[P, T]) -> Callable[P, T]:
    """Decorate a fenced write or a read: retry it while the database is unavailable, for a minute at most.

    A fenced write may be retried: if the first try was committed and only its response was lost, the second finds the
    lease gone and writes nothing.
    """

    @wraps(act)
    def retried(*args: P.args, **kwargs: P.kwargs) -> T:
        end = time.monotonic() + LONGEST_SECONDS
        while True:
            try:
                return act(*args, **kwargs)
            except Exception as error:
                if not is_transient(error) or time.monotonic() > end:
                    raise
                log.warning("database unavailable", error=type(error).__name__)
            with yielding():
                time.sleep(PAUSE_SECONDS)

    return retried
