"""A server that takes no JSON schema beside the prompt gets it inside, and is not asked for the other again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from redis import Redis

from tasks.assessors.content import DraftSchema
from tasks.assessors.model.prompt import SYSTEM
from tests.conftest import Provider
from tests.tasks.assessors.model.test_providers import Desk


@pytest.fixture
def desk(provider: Provider, redis: Redis) -> Desk:
    provider.behave("no_json_schema")
    return Desk("openai", provider, redis)


def bodies(provider: Provider) -> list[dict[str, Any]]:
    return [request["body"] for request in provider.seen()["requests"]]


def forms(provider: Provider) -> list[str]:
    return [body["response_format"]["type"] for body in bodies(provider)]


def test_it_is_asked_once_more_with_the_schema_in_the_prompt(desk: Desk, provider: Provider) -> None:
    draft = desk.assess()
    assert forms(provider) == ["json_schema", "json_object"]
    assert draft.spent.provider_calls == 2
    assert DraftSchema().validate(draft.content) == {}
    system = bodies(provider)[1]["messages"][0]["content"]
    assert system.startswith(SYSTEM)
    assert '"likely_cause"' in system
    assert json.loads(draft.spent.sent or "")["system"] == system


def test_what_the_server_does_not_take_is_remembered(desk: Desk, provider: Provider) -> None:
    desk.assess()
    assert desk.assess().spent.provider_calls == 1
    assert forms(provider) == ["json_schema", "json_object", "json_object"]


def test_another_model_is_asked_anew(desk: Desk, provider: Provider, redis: Redis) -> None:
    desk.assess()
    provider.behave("good", reset=True)
    Desk("openai", provider, redis, openai_model="another").assess()
    assert forms(provider) == ["json_schema"]


def test_a_repair_keeps_the_form(desk: Desk, provider: Provider) -> None:
    provider.behave("good", sequence=["no_json_schema", "invalid_json"])
    assert desk.assess().spent.provider_calls == 3
    assert forms(provider) == ["json_schema", "json_object", "json_object"]


def test_the_second_try_ends_at_the_same_deadline(desk: Desk, provider: Provider) -> None:
    provider.behave("hang", sequence=["no_json_schema"])
    error = desk.failure(seconds=2)
    assert (error.kind, error.spent.provider_calls, provider.calls) == ("timeout", 2, 2)


def test_another_refusal_is_not_taken_for_that_of_the_schema(desk: Desk, provider: Provider) -> None:
    provider.behave("bad_request")
    error = desk.failure()
    assert (error.kind, error.spent.provider_calls, forms(provider)) == ("refused", 1, ["json_schema"])


@pytest.mark.parametrize("behaviour", ["bad_request", "no_form"])
def test_a_server_that_refuses_both_forms_is_left_alone(behaviour: str, desk: Desk, provider: Provider) -> None:
    provider.behave(behaviour, sequence=["no_json_schema"])
    error = desk.failure()
    assert (error.kind, error.retryable, forms(provider)) == ("refused", False, ["json_schema", "json_object"])
