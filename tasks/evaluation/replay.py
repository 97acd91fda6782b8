"""Replay cases through an assessor: replies are paid once, and no more tokens are spent than allowed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import time
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from marshmallow import Schema
from redis import Redis

from models import logs
from models.assessment.case import Case
from models.assessment.result import Spent
from models.settings import Settings
from tasks.assessors import build
from tasks.assessors.base import Assessor, AssessorError
from tasks.assessors.content import DraftSchema
from tasks.assessors.mail import case_as_seen
from tasks.assessors.model import ModelAssessor
from tasks.assessors.model.prompt import input_hash, render
from tasks.assessors.model.redaction import Redaction
from tasks.assessors.model.reply import ReplySchema, json_schema

log = logs.logger(__name__)

UNLIMITED = 10**9
BYTES_PER_TOKEN = 3  # on the safe side
REPAIRED = 2  # a reply that cannot be used is asked for once more
REPLY_BYTES = 8_000  # of the first reply, when it is
LONGEST_WAIT = 60.0  # seconds that a provider may ask to wait
WAITS = 3
HOPELESS = 5  # times in a row without a reply, after which none is expected any more
UNUSABLE = frozenset(["auth"])  # no later call can do better
OFFLINE = "extractive"
MODELS = ("openai", "anthropic")

_CONTENT = DraftSchema()


class Stop(Exception):
    """Raised when there is a reason to replay no further sessions, which its text gives."""


@dataclass(frozen=True)
class Answer:
    """The outcome of one replay. Of a reply from the cache, figures are those of the call that was made for it."""

    content: dict[str, Any] | None  # None: there was no reply, because of `error`
    error: str | None = None
    tokens_in: int = 0
    tokens_out: int = 0
    cost: Decimal = Decimal(0)
    seconds: float = 0.0
    is_cached: bool = False

    @property
    def tokens(self) -> int:
        """Both ways."""
        return self.tokens_in + self.tokens_out


@dataclass
class Purse:
    """The tokens that may be spent (None: any number), and those that were."""

    most: int | None = None
    spent: int = 0

    def reserve(self, needed: int) -> None:
        """Stop if spending as much could pass the limit."""
        if self.most is not None and self.spent + needed > self.most:
            raise Stop(f"{self.spent} tokens are spent, and the next call could pass the limit of {self.most}")


def named(settings: Settings, name: str | None) -> Settings:
    """Return the settings with the assessor `name`: extractive, openai, anthropic, openai:MODEL or anthropic:MODEL.

    ValueError for another name. They have a breaker and a budget of their own, without limits: an evaluation neither
    opens the breaker of the service nor spends its budget.
    """
    kind, _, model = (name or settings.assessor).partition(":")
    if kind not in (OFFLINE, *MODELS) or (kind == OFFLINE and model):
        raise ValueError("must be extractive, openai, anthropic, openai:MODEL or anthropic:MODEL")
    return replace(
        settings,
        assessor=kind,
        installation=f"{settings.installation}:evaluation:{secrets.token_hex(8)}",
        model_concurrent_calls=UNLIMITED,
        model_calls_per_minute=UNLIMITED,
        model_tokens_per_day=UNLIMITED,
        openai_model=model if model and kind == "openai" else settings.openai_model,
        anthropic_model=model if model and kind == "anthropic" else settings.anthropic_model,
    )


def source_of(settings: Settings) -> str:
    """The name of the settings' assessor, as assessments state their source."""
    kind = settings.assessor
    return kind if kind == OFFLINE else f"{kind}:{getattr(settings, f'{kind}_model')}"


class Cache:
    """Replies in files, found by their assessor and the hash of their input. Only the owner may read them."""

    def __init__(self, folder: Path, source: str, settings: Settings) -> None:
        readable = re.sub(r"[^A-Za-z0-9.-]+", "-", source)[:60]
        address = getattr(settings, f"{settings.assessor}_base_url")
        bounds = {name: value for name, value in vars(settings).items() if name.startswith("model_max_")}
        exact = json.dumps([source, address, settings.redact, bounds], sort_keys=True)
        self._folder = folder / f"{readable}-{hashlib.sha256(exact.encode()).hexdigest()[:12]}"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def get(self, key: str) -> dict[str, Any] | None:
        """Return what was stored; None: nothing, or nothing whole."""
        try:
            found = json.loads((self._folder / f"{key}.json").read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    def put(self, key: str, value: dict[str, Any]) -> None:
        """Store it, whole or not at all."""
        draft = self._folder / f".{secrets.token_hex(8)}.part"
        try:
            with os.fdopen(
                os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
            ) as file:
                json.dump(value, file)
            draft.replace(self._folder / f"{key}.json")
        finally:
            draft.unlink(missing_ok=True)


@dataclass
class Replayed:
    """An assessor for replays, with what it may spend."""

    name: str
    assessor: Assessor
    settings: Settings
    purse: Purse = field(default_factory=Purse)
    cache: Cache | None = None
    failed: int = 0  # times in a row without a reply
    hopeless: str | None = None  # why it should not be asked again

    @property
    def is_model(self) -> bool:
        """Whether replies cost something."""
        return self.name.partition(":")[0] in MODELS

    def ask(self, case: Case) -> Answer:
        """Return the assessor's answer; Stop when it could cost more than is left."""
        if not self.is_model:
            return self._call(case)
        known = self.cache and _answer(self.cache.get(input_hash(case)))
        if known:
            return known
        answer = self._call(case, most_tokens(self._prompt(case), ReplySchema, self.settings))
        if self.cache and answer.content is not None:
            self.cache.put(input_hash(case), _stored(answer))
        self.failed = self.failed + 1 if answer.error else 0
        self.hopeless = self._hopeless(answer.error)
        return answer

    def _prompt(self, case: Case) -> str:
        """What the assessor will send, as far as it can be known before."""
        return render(
            case_as_seen(case), Redaction(self.settings.redact), self.settings.model_max_prompt_tokens
        ).sent()

    def _hopeless(self, error: str | None) -> str | None:
        if error in UNUSABLE:
            return f"{self.name} cannot be used ({error}): check its key, address and model"
        if self.failed >= HOPELESS:
            return f"{self.name} gave no reply {self.failed} times in a row ({error})"
        return None

    def _call(self, case: Case, most: int = 0) -> Answer:
        """Ask, and again when the provider says when to come back. `most` is what each try can cost."""
        costs: list[Spent] = []
        while True:
            self.purse.reserve(most)
            started = time.monotonic()
            try:
                draft = self.assessor.assess(case, deadline=started + self.settings.model_call_seconds)
            except AssessorError as error:
                self._pay(costs, error.spent)
                if not _may_wait(error, len(costs)):
                    return _bill(costs, error=error.kind)
                time.sleep(error.retry_after or 0)
            except Exception as error:
                # The message could quote the ticket, so only the type of the error is logged.
                log.error("assessor crashed", error=type(error).__name__)
                return _bill(costs, error="internal")
            else:
                self._pay(costs, draft.spent)
                return _bill(costs, content=dict(draft.content), seconds=time.monotonic() - started)

    def _pay(self, costs: list[Spent], spent: Spent) -> None:
        costs.append(spent)
        self.purse.spent += spent.tokens_in + spent.tokens_out


def _may_wait(error: AssessorError, tries: int) -> bool:
    """Whether the provider said when to come back. Everything else was retried by the assessor itself."""
    return error.retryable and error.retry_after is not None and error.retry_after <= LONGEST_WAIT and tries <= WAITS


def _bill(
    costs: list[Spent], content: dict[str, Any] | None = None, error: str | None = None, seconds: float = 0.0
) -> Answer:
    return Answer(
        content,
        error,
        tokens_in=sum(each.tokens_in for each in costs),
        tokens_out=sum(each.tokens_out for each in costs),
        cost=sum((each.cost for each in costs), Decimal(0)),
        seconds=seconds,
    )


def most_tokens(sent: str, schema: type[Schema], settings: Settings) -> int:
    """Return how many tokens a reply can cost: what is sent and the reply, and both once more in a repair."""
    size = len(sent.encode("utf-8", "replace")) + len(json.dumps(json_schema(schema)))
    return REPAIRED * (size // BYTES_PER_TOKEN + settings.model_max_output_tokens) + REPLY_BYTES // BYTES_PER_TOKEN


def _stored(answer: Answer) -> dict[str, Any]:
    return {
        "content": answer.content,
        "tokens_in": answer.tokens_in,
        "tokens_out": answer.tokens_out,
        "cost": str(answer.cost),
        "seconds": answer.seconds,
    }


def _answer(stored: dict[str, Any] | None) -> Answer | None:
    """Read a stored answer; None: it is not one."""
    try:
        if not stored or _CONTENT.validate(stored["content"]):
            return None
        return Answer(
            stored["content"],
            tokens_in=int(stored["tokens_in"]),
            tokens_out=int(stored["tokens_out"]),
            cost=Decimal(stored["cost"]),
            seconds=float(stored["seconds"]),
            is_cached=True,
        )
    except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation):
        return None


def replayed(settings: Settings, redis: Redis, purse: Purse, cache_folder: Path | None) -> Replayed:
    """Build the assessor of `settings` for replays. SettingsError when its SDK is not installed."""
    name = source_of(settings)
    cache = Cache(cache_folder, name, settings) if cache_folder and name != OFFLINE else None
    assessor = build(settings, redis)
    if isinstance(assessor, ModelAssessor):  # a breaker would hide what the provider answers
        assessor = replace(assessor, breaker=replace(assessor.breaker, calls=UNLIMITED))
    return Replayed(name, assessor, settings, purse, cache)
