"""Ask a model of either vendor for a reply of any schema."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import httpx2
from marshmallow import Schema

from models.settings import Settings
from tasks.assessors.model import Call, Reply
from tasks.assessors.model.prompt import Prompt
from tasks.assessors.model.reply import json_schema
from tasks.assessors.model.vendor import guarded

_OPENAI_STOPS = {"stop": "end", "length": "truncated"}
_ANTHROPIC_STOPS = {"end_turn": "end", "stop_sequence": "end", "max_tokens": "truncated"}

# These spend output tokens on reasoning first, of which a short reply needs little.
_REASONING_MODELS = re.compile(r"^(gpt-5|o\d)")


def build(settings: Settings, schema: type[Schema]) -> Call:
    """Return what asks the settings' model for replies of `schema`. ModuleNotFoundError without the vendor's SDK."""
    return _openai(settings, schema) if settings.assessor == "openai" else _anthropic(settings, schema)


def _openai(settings: Settings, schema: type[Schema]) -> Call:
    import openai

    server = _ChatCompletions(settings, json_schema(schema))
    return lambda prompt, seconds: guarded(openai, seconds, lambda http: server.ask(prompt, http))


@dataclass
class _ChatCompletions:
    """A server that speaks OpenAI's chat completions."""

    settings: Settings
    schema: dict[str, Any]
    takes_schemas: bool = True  # beside a prompt; one that refuses them finds them in it

    def ask(self, prompt: Prompt, http: httpx2.Client) -> Reply:
        import openai

        if self.takes_schemas:
            form = {"name": "reply", "strict": True, "schema": self.schema}
            with suppress(openai.BadRequestError, openai.UnprocessableEntityError):
                return self._create(prompt, {"type": "json_schema", "json_schema": form}, http)
        spelled = f"{prompt.system}\n\nThe schema: {json.dumps(self.schema)}"
        reply = self._create(replace(prompt, system=spelled), {"type": "json_object"}, http)
        self.takes_schemas = False
        return reply

    def _create(self, prompt: Prompt, form: Any, http: httpx2.Client) -> Reply:
        import openai

        client = openai.OpenAI(
            api_key=self.settings.openai_api_key,
            base_url=self.settings.openai_base_url or "https://api.openai.com/v1",
            max_retries=0,
            timeout=http.timeout,
            http_client=http,
        )
        messages: Any = [{"role": "system", "content": prompt.system}, *prompt.messages()]
        found = client.chat.completions.create(
            model=self.settings.openai_model,
            messages=messages,
            response_format=form,
            max_completion_tokens=self.settings.model_max_output_tokens,
            reasoning_effort="low" if _REASONING_MODELS.match(self.settings.openai_model) else openai.omit,
        )
        choice, usage = found.choices[0], found.usage
        stop = "refused" if choice.message.refusal else _OPENAI_STOPS.get(choice.finish_reason, "refused")
        tokens = (usage.prompt_tokens, usage.completion_tokens) if usage else (0, 0)
        return Reply(choice.message.content or "", stop, *tokens)


def _anthropic(settings: Settings, schema: type[Schema]) -> Call:
    import anthropic

    def ask(prompt: Prompt, http: httpx2.Client) -> Reply:
        client = anthropic.Anthropic(
            api_key=settings.anthropic_api_key,
            base_url=settings.anthropic_base_url or "https://api.anthropic.com",
            max_retries=0,
            timeout=http.timeout,
            http_client=http,
            open_telemetry=False,
        )
        messages: Any = prompt.messages()
        found = client.messages.create(
            model=settings.anthropic_model,
            system=prompt.system,
            messages=messages,
            output_config={"format": {"type": "json_schema", "schema": json_schema(schema)}},
            max_tokens=settings.model_max_output_tokens,
        )
        text = "".join(block.text for block in found.content if block.type == "text")
        usage = found.usage
        cached = (usage.cache_creation_input_tokens or 0) + (usage.cache_read_input_tokens or 0)
        stop = _ANTHROPIC_STOPS.get(found.stop_reason or "", "refused")
        return Reply(text, stop, usage.input_tokens + cached, usage.output_tokens)

    return lambda prompt, seconds: guarded(anthropic, seconds, lambda http: ask(prompt, http))
