"""OpenAI and every server that speaks its chat completions: vLLM, Ollama, LiteLLM, Azure."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import openai
from openai.types.chat import ChatCompletion
from redis import Redis

from models.settings import Settings
from tasks.assessors.model import ModelAssessor, Reply, SchemaRefused
from tasks.assessors.model.prompt import Prompt
from tasks.assessors.model.reply import json_schema
from tasks.assessors.model.vendor import assessor, guarded

_STOPS = {"stop": "end", "length": "truncated", "content_filter": "refused"}

# These spend output tokens on reasoning first; a brief does not need much of it.
_REASONING_MODELS = re.compile(r"^(gpt-5|o\d)")

# How servers name what they do not take; they share no code for it.
_FORM = re.compile(r"response_format|json_schema|structured.?outputs?", re.IGNORECASE)


def build(settings: Settings, redis: Redis) -> ModelAssessor:
    """Build the assessor for OPENAI_MODEL."""

    def call(prompt: Prompt, seconds: float) -> Reply:
        return guarded(openai, seconds, lambda http: ask(settings, prompt, http, json_schema()))

    return assessor("openai", settings.openai_model, call if settings.openai_api_key else None, settings, redis)


def ask(settings: Settings, prompt: Prompt, http: httpx2.Client, schema: dict[str, Any]) -> Reply:
    """Ask once for a reply of this schema. SchemaRefused: the server takes it inside a prompt at most."""
    client = openai.OpenAI(
        api_key=settings.openai_api_key,
        base_url=settings.openai_base_url or "https://api.openai.com/v1",
        max_retries=0,
        timeout=http.timeout,
        http_client=http,
    )
    messages: Any = [{"role": "system", "content": prompt.system}, *prompt.messages()]
    named: Any = {"name": "reply", "strict": True, "schema": schema}
    form: Any = {"type": "json_object"} if prompt.spells_schema else {"type": "json_schema", "json_schema": named}
    try:
        completion = client.chat.completions.create(
            model=settings.openai_model,
            messages=messages,
            response_format=form,
            max_completion_tokens=settings.model_max_output_tokens,
            reasoning_effort="low" if _REASONING_MODELS.match(settings.openai_model) else openai.omit,
        )
    except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
        if not prompt.spells_schema and _FORM.search(str(error)):
            raise SchemaRefused from None
        raise
    return _reply(completion)


def _reply(completion: ChatCompletion) -> Reply:
    choice = completion.choices[0]
    usage = completion.usage
    return Reply(
        text=choice.message.content or "",
        stop="refused" if choice.message.refusal else _STOPS.get(choice.finish_reason, "refused"),
        tokens_in=usage.prompt_tokens if usage else 0,
        tokens_out=usage.completion_tokens if usage else 0,
    )
