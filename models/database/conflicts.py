"""Retry transactions that PostgreSQL ended in favour of another one; callers never see a deadlock."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from prometheus_client import Counter
from sqlalchemy.exc import DBAPIError

from models import database
from models.errors import Busy

TRIES = 5
PAUSE_SECONDS = 0.02  # at most, after the first one; twice as long after each further one
CONFLICTS = Counter("escalation_conflicts", "Transactions that PostgreSQL rolled back in favour of another one")

P = ParamSpec("P")
T = TypeVar("T")


def repeated(act: Callable[P, T]) -> Callable[P, T]:
    """Decorate a function that writes in one transaction: retry it when PostgreSQL rolled that back for another one.

    Such an end rolls everything back, so nothing is done twice. Raises Busy when every try ended so.
    """

    @wraps(act)
    def tried(*args: P.args, **kwargs: P.kwargs) -> T:
        for attempt in range(TRIES):
            try:
                return act(*args, **kwargs)
            except DBAPIError as error:
                if not database.is_conflict(error):
                    raise
                CONFLICTS.inc()
            time.sleep(random.uniform(0, PAUSE_SECONDS * 2**attempt))
        raise Busy

    return tried
