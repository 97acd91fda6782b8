"""How values are shown to people in what the server renders; the scripts have the same words for what ticks."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

ZONE = re.compile(r"[A-Za-z0-9_+/-]{1,64}")
NTH = ("", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth", "Ninth", "Tenth")


def moment(time: str) -> datetime:
    """Read a time as the API writes it."""
    return datetime.fromisoformat(time)


class Clock:
    """The reader's clock: the zone in which their browser lives, or else UTC, which the times then name."""

    def __init__(self, zone: str | None, now: datetime | None = None) -> None:
        found = _zone(zone)
        self.zone = found or UTC
        self.name = zone if found else ""
        self.now = now or datetime.now(UTC)

    def at(self, time: str) -> datetime:
        """Return a stored time on the reader's clock."""
        return moment(time).astimezone(self.zone)

    def time(self, time: str) -> str:
        """Format the time of day."""
        return f"{self.at(time):%H:%M}{'' if self.name else ' UTC'}"

    def moment(self, time: str) -> str:
        """Format a time of day, with its date unless it is today."""
        is_today = self.at(time).date() == self.now.astimezone(self.zone).date()
        return self.time(time) if is_today else f"{self.on(self.at(time).date())}, {self.time(time)}"

    def on(self, day: date) -> str:
        """Format a date; the year is left out while it is the reader's."""
        year = "" if day.year == self.now.astimezone(self.zone).year else f" {day.year}"
        return f"{day:%a} {day.day} {day:%b}{year}"

    def day(self, day: date) -> str:
        """Name a day for a heading."""
        days = (self.now.astimezone(self.zone).date() - day).days
        return {0: "Today, ", 1: "Yesterday, "}.get(days, "") + self.on(day)

    def age(self, time: str) -> str:
        """Format how long ago something was, in one unit."""
        return span((self.now - moment(time)).total_seconds())


def _zone(name: str | None) -> ZoneInfo | None:
    if not name or not ZONE.fullmatch(name):
        return None
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return None


def span(seconds: float) -> str:
    """Format a length of time: 42 s, 3 min, 2 h 5 min, 4 d 3 h."""
    value = max(0, int(seconds))
    if value < 60:
        return f"{value} s"
    if value < 3600:
        return f"{value // 60} min"
    if value < 86400:
        return f"{value // 3600} h {value % 3600 // 60} min"
    return f"{value // 86400} d {value % 86400 // 3600} h"


def plural(count: int, one: str, many: str | None = None) -> str:
    """Count things: 1 step, 2 steps."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def returns(count: int) -> str | None:
    """Say how often a session was here before: "Third time here"; None the first time."""
    if not count:
        return None
    return f"{NTH[count] if count < len(NTH) else f'{count + 1}th'} time here"


def source(name: str | None) -> str:
    """Say who wrote an assessment: a model by its name, or nobody but our own code."""
    if not name:
        return ""
    if name == "extractive":
        return "from the session, without AI"
    return f"by {name.partition(':')[2] or name}"


def below_title(summary: str, title: str) -> str:
    """Return a summary without the title, which stands above it anyway, if that is its whole first sentence."""
    if not title or not summary.startswith(title):
        return summary
    ends = r"\s+" if title[-1] in ".!?…" else r"[.!?…]+\s+"
    found = re.match(ends, summary[len(title) :])
    return (found and summary[len(title) + found.end() :]) or summary
