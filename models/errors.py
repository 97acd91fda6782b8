"""Domain errors. The HTTP layer maps each to a status code."""

from __future__ import annotations

from typing import Any


class Refused(Exception):
    """A request that was understood and refused. `code` is for machines and never changes."""

    def __init__(self, code: str, detail: str, **facts: Any) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.facts = facts


class NotFound(Refused):
    """Nothing of this kind in this account; things of other accounts count as absent."""

    def __init__(self, detail: str = "No such thing in this account.") -> None:
        super().__init__("not_found", detail)


class Conflict(Refused):
    """The current state, or somebody else's move, does not allow it."""


class Forbidden(Refused):
    """This person may not do this."""


class Invalid(Refused):
    """Well formed, but unacceptable given what is stored."""


class Busy(Refused):
    """PostgreSQL ended every try in favour of another transaction. Nothing was written; a later try can succeed."""

    def __init__(self) -> None:
        super().__init__("busy", "Too many changes meet here at the moment; try again.")


class VersionMismatch(Refused):
    """The caller's If-Match names an older version."""

    def __init__(self, version: int) -> None:
        super().__init__("version_mismatch", "The handoff has changed since you read it.", version=version)
