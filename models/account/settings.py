"""The settings of an account. Each stands in a column of its row, where null means the installation's.

A new one is a column of `Account` and a line of `SETTINGS`; the API, the command line and the page show it then.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from uuid import UUID

from models import audit, language
from models.account import Account
from models.audit import Act
from models.database.executor import Session
from models.errors import Invalid
from models.settings import Settings, settings

Value = int | float | str


@dataclass(frozen=True)
class Setting(ABC):
    """What people read of a setting, and the column that holds it."""

    column: str
    label: str
    effect: str  # in words

    @abstractmethod
    def stored(self, value: Value) -> int | str:
        """Return a value as the column holds it; Invalid when it cannot be one."""

    def value(self, found: Account) -> Value | None:
        """Return what the account has set; None: nothing."""
        own: Value | None = getattr(found, self.column)
        return own

    def effective(self, found: Account) -> Value | None:
        """Return what counts for the account."""
        return self.value(found)


@dataclass(frozen=True)
class Language(Setting):
    """A language by its tag; without one, what is written follows each case."""

    def stored(self, value: Value) -> str:
        """Return the tag in its one form."""
        tag = language.tag(str(value))
        if tag is None:
            raise Invalid("language_unknown", f"{value!r} is no language tag such as de or pt-BR.")
        return tag


@dataclass(frozen=True)
class Number(Setting):
    """A whole number of a unit, within limits. `installation` finds what counts for accounts that have set none."""

    unit: str
    least: int
    most: int
    installation: Callable[[Settings], int]
    scale: int = 1  # what the column counts in one unit: 60 for minutes in a column of seconds
    is_capped: bool = False  # an account may have less than the installation, never more

    def stored(self, value: Value) -> int:
        """Return the number in the unit of the column."""
        if not isinstance(value, int) or not self.least <= value <= self.most:
            raise Invalid("invalid", f"{self.label}: a whole number from {self.least} to {self.most}.")
        return value * self.scale

    def value(self, found: Account) -> int | float | None:
        """Return what the account has set; None: nothing."""
        own: int | None = getattr(found, self.column)
        return None if own is None else self._in_units(own)

    def effective(self, found: Account) -> int | float:
        """Return the account's number, or the installation's."""
        own, usual = self.value(found), self._in_units(self.installation(settings()))
        if own is None:
            return usual
        return min(own, usual) if self.is_capped else own

    def _in_units(self, stored: int) -> int | float:
        return stored / self.scale if stored % self.scale else stored // self.scale


def _age(name: str, label: str, effect: str) -> Number:
    return Number(name, label, effect, unit="minutes", least=1, most=60 * 24 * 30, installation=attrgetter(name))


def _reminder(name: str, label: str, effect: str) -> Number:
    return Number(name, label, effect, unit="seconds", least=1, most=86400 * 30, installation=attrgetter(name))


SETTINGS: Mapping[str, Number | Language] = {
    "claim_lease_minutes": Number(
        "claim_lease_seconds",
        "Claim lease",
        "Somebody who takes a handoff and adds no step for this long loses it: it goes back to the queue.",
        unit="minutes",
        least=1,
        most=60 * 24 * 30,
        installation=lambda of: of.claim_lease_seconds,
        scale=60,
    ),
    "amber_minutes": _age(
        "amber_minutes", "Warning age", "A handoff that has waited for this long is marked as a warning."
    ),
    "red_minutes": _age("red_minutes", "Alarm age", "A handoff that has waited for this long is marked as an alarm."),
    "urgent_amber_minutes": _age(
        "urgent_amber_minutes",
        "Urgent warning age",
        "The warning age of handoffs whose priority is urgent.",
    ),
    "urgent_red_minutes": _age(
        "urgent_red_minutes", "Urgent alarm age", "The alarm age of handoffs whose priority is urgent."
    ),
    "waiting_reminder_seconds": _reminder(
        "waiting_reminder_seconds",
        "Reminder",
        "When nobody takes a handoff for this long, the feed reminds of it: three times, each after twice as long.",
    ),
    "urgent_reminder_seconds": _reminder(
        "urgent_reminder_seconds", "Urgent reminder", "The same of handoffs whose priority is urgent."
    ),
    "language": Language(
        "language",
        "Language of assessments",
        "A model writes assessments in this language. Without one, each is written in the language of its case.",
    ),
    "model_tokens_per_day": Number(
        "model_tokens_per_day",
        "Model tokens a day",
        "When they are used up, assessments are written without AI until midnight UTC. With 0 no model is asked."
        " More than the installation allows has no effect.",
        unit="tokens",
        least=0,
        most=2_000_000_000,
        installation=lambda of: of.model_tokens_per_day,
        is_capped=True,
    ),
}


AGES = (("amber_minutes", "red_minutes"), ("urgent_amber_minutes", "urgent_red_minutes"))  # warning and alarm


@dataclass(frozen=True)
class Fixed:
    """What an account cannot change, since it is the installation's."""

    label: str
    effect: str
    value: Callable[[Settings], int | bool]
    unit: str | None = None


FIXED: Mapping[str, Fixed] = {
    "feed_retention_days": Fixed(
        "Retention of the feed",
        "Older events leave the feed. A client that was away for longer loads the queue again; handoffs stay.",
        lambda of: of.feed_retention_days,
        "days",
    ),
    "redact": Fixed(
        "Redaction",
        "Personal data and secrets are replaced before a text is sent to a model, and put back into its answer.",
        lambda of: of.redact,
    ),
}


def change(session: Session, found: Account, values: Mapping[str, Value | None], *, by: UUID | None) -> None:
    """Change settings by their names, None: the installation's. `by`: the admin, None: an operator.

    Invalid names what is wrong, and nothing has changed then. It comes last in its transaction, for the audit's line.
    """
    stored = {
        SETTINGS[name].column: None if value is None else SETTINGS[name].stored(value)
        for name, value in values.items()
    }
    different = [name for name in values if getattr(found, SETTINGS[name].column) != stored[SETTINGS[name].column]]
    for name in different:
        setattr(found, SETTINGS[name].column, stored[SETTINGS[name].column])
    _refuse_alarm_before_warning(found)
    if different:
        session.flush()
        note = ", ".join(f"{name}: {_noted(SETTINGS[name].value(found))}" for name in different)
        audit.record(session, found.id, Act.SETTINGS_CHANGED, by=by, subject=f"account:{found.id}", note=note)


def _refuse_alarm_before_warning(found: Account) -> None:
    for warning, alarm in AGES:
        warns, alarms = (float(SETTINGS[name].effective(found) or 0) for name in (warning, alarm))
        if warns > alarms:
            text = f"{SETTINGS[warning].label} is above {SETTINGS[alarm].label.lower()}, {alarms:g} minutes."
            raise Invalid("ages_crossed", text, field=warning)


def _noted(value: Value | None) -> str:
    return "default" if value is None else str(value)
