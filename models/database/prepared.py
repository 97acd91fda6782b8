"""Prepared statements: PostgreSQL plans them once per connection instead of each time they are sent.

The driver sends text, which the server would parse and plan each time. A plan is generic (see plan_cache_mode in
models/database), and is made again when its tables change or are analyzed, so that it follows their growth. A pooler
between the service and PostgreSQL has to keep a connection for the length of a session.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Result

from models.database import Executor


class Prepared:
    """SQL with values as `%(name)s` and no other per cent sign. Lists are sent as PostgreSQL's array literals."""

    def __init__(self, sql: str) -> None:
        names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", sql)))
        body = sql % {name: f"${n}" for n, name in enumerate(names, start=1)}
        self.name = "run_" + hashlib.sha1(body.encode(), usedforsecurity=False).hexdigest()[:16]
        self.preparing = f"PREPARE {self.name} AS {body}"
        self.executing = f"EXECUTE {self.name}({', '.join(f'%({name})s' for name in names)})"

    def __call__(self, runs: Executor, values: Mapping[str, Any]) -> Result[Any]:
        """Execute and return the result. Values that the statement does not name are ignored."""
        return together(runs, (self,), values)


def together(runs: Executor, statements: Sequence[Prepared], values: Mapping[str, Any]) -> Result[Any]:
    """Execute several statements in one message, in order, and return the result of the last."""
    known: set[str] = runs.info.setdefault("prepared", set())
    for each in statements:
        if each.name not in known:
            # A message of its own: what is noted as known is known, whatever becomes of the transaction.
            runs.exec_driver_sql(each.preparing, {})
            known.add(each.name)
    return runs.exec_driver_sql(";".join(each.executing for each in statements), values)
