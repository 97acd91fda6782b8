"""Anthropic's Messages API with its native structured output."""

from __future__ import annotations

from typing import Any

import anthropic
import httpx2
from anthropic.types import Message
from redis import Redis

from models.settings import Settings
from tasks.assessors.model import ModelAssessor, Reply
from tasks.assessors.model.prompt import Prompt
from tasks.assessors.model.reply import json_schema
from tasks.assessors.model.vendor import assessor, guarded

_STOPS = {
    "end_turn": "end",
    "stop_sequence": "end",
    "max_tokens": "truncated",
    "model_context_window_exceeded": "truncated",
}


def build(settings: Settings, redis: Redis) -> ModelAssessor:
    """Build the assessor for ANTHROPIC_MODEL."""

    def call(prompt: Prompt, seconds: float) -> Reply:
        return guarded(anthropic, seconds, lambda http: ask(settings, prompt, http, json_schema()))

    return assessor(
        "anthropic", settings.anthropic_model, call if settings.anthropic_api_key else None, settings, redis
    )


def ask(settings: Settings, prompt: Prompt, http: httpx2.Client, schema: dict[str, Any]) -> Reply:
    """Ask once for a reply of this schema."""
    client = anthropic.Anthropic(
        api_key=settings.anthropic_api_key,
        base_url=settings.anthropic_base_url or "https://api.anthropic.com",
        max_retries=0,
        timeout=http.timeout,
        http_client=http,
        open_telemetry=False,
    )
    messages: Any = prompt.messages()
    message = client.messages.create(
        model=settings.anthropic_model,
        system=prompt.system,
        messages=messages,
        output_config={"format": {"type": "json_schema", "schema": schema}},
        max_tokens=settings.model_max_output_tokens,
    )
    return _reply(message)


def _reply(message: Message) -> Reply:
    usage = message.usage
    cached = (usage.cache_creation_input_tokens or 0) + (usage.cache_read_input_tokens or 0)
    return Reply(
        text="".join(block.text for block in message.content if block.type == "text"),
        stop=_STOPS.get(message.stop_reason or "", "refused"),
        tokens_in=usage.input_tokens + cached,
        tokens_out=usage.output_tokens,
    )
