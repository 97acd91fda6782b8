"""What a replay may spend, and what becomes of an assessor that fails."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from models.assessment.case import Case
from models.assessment.result import Spent
from tasks.assessors.base import AssessorError, Draft
from tasks.assessors.extractive import Extractive
from tasks.evaluation.judge import JudgmentSchema
from tasks.evaluation.replay import HOPELESS, LONGEST_WAIT, Purse, Replayed, Stop, most_tokens, named, source_of
from tests.tasks.assessors.cases import PRINTER
from tests.tasks.assessors.model.provider_case import some_settings

PAID = Spent(1, 20_000, 500, Decimal("0.1"))


@dataclass
class Failing:
    """An assessor that fails in these ways, one after the other, and then writes an assessment."""

    failures: list[Exception]
    asked: int = 0
    done: Extractive = field(default_factory=Extractive)

    def assess(self, case: Case, *, deadline: float) -> Draft:
        self.asked += 1
        if self.failures:
            raise self.failures.pop(0)
        return self.done.assess(case, deadline=deadline)


def replayed(*failures: Exception, tokens: int | None = None) -> tuple[Replayed, Failing]:
    failing = Failing(list(failures))
    return Replayed("openai:m", failing, some_settings(model_max_output_tokens=2_000), Purse(tokens)), failing


def busy(seconds: float = 0.0) -> AssessorError:
    return AssessorError("rate_limited", retryable=True, retry_after=seconds, spent=PAID)


def test_what_a_failed_try_cost_is_counted_and_the_next_one_has_to_fit_too() -> None:
    method, failing = replayed(busy(), busy())
    answer = method.ask(PRINTER)
    assert (failing.asked, answer.tokens, answer.cost, method.purse.spent) == (3, 41_000, Decimal("0.2"), 41_000)
    limited, failing = replayed(busy(), busy(), tokens=30_000)
    with pytest.raises(Stop, match="20500 tokens are spent, and the next call could pass the limit of 30000"):
        limited.ask(PRINTER)
    assert failing.asked == 1


@pytest.mark.parametrize(
    "error",
    [
        busy(LONGEST_WAIT + 1),
        AssessorError("rate_limited", retry_after=0.0),
        AssessorError("timeout", retryable=True),
    ],
)
def test_only_a_short_pause_that_was_asked_for_is_waited_for(error: AssessorError) -> None:
    method, failing = replayed(error)
    assert (method.ask(PRINTER).error, failing.asked) == (error.kind, 1)


def test_a_provider_that_is_always_busy_is_given_up() -> None:
    method, failing = replayed(*(busy() for _ in range(50)))
    assert method.ask(PRINTER).error == "rate_limited"
    assert failing.asked < 10


def test_an_assessor_that_crashes_is_a_fallback_too() -> None:
    method, _ = replayed(ZeroDivisionError("with the text of a ticket"))
    assert (method.ask(PRINTER).error, method.hopeless) == ("internal", None)


def test_a_reply_in_between_gives_new_hope() -> None:
    method, failing = replayed(*(AssessorError("timeout") for _ in range(HOPELESS - 1)))
    for _ in range(HOPELESS):
        method.ask(PRINTER)
    assert method.hopeless is None
    failing.failures = [AssessorError("timeout") for _ in range(HOPELESS)]
    for _ in range(HOPELESS):
        assert method.hopeless is None
        method.ask(PRINTER)
    assert "gave no reply 5 times in a row (timeout)" in str(method.hopeless)


def test_a_name_chooses_the_model_and_takes_nothing_from_the_service() -> None:
    base = some_settings()
    chosen = named(base, "anthropic:claude-x")
    assert (source_of(chosen), source_of(named(base, None))) == ("anthropic:claude-x", "extractive")
    assert chosen.openai_model == base.openai_model
    assert not chosen.redis_key("breaker").startswith(base.redis_key("breaker"))
    assert chosen.model_tokens_per_day > base.model_tokens_per_day


def test_scripts_with_a_token_a_character_fit_into_what_is_reserved() -> None:
    settings = some_settings()
    text = "打印机自周一起只打印空白页" * 100
    assert most_tokens(text, JudgmentSchema, settings) >= 2 * (len(text) + settings.model_max_output_tokens)
