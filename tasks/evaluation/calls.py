"""Ask a model of either vendor for a reply of any schema."""

from __future__ import annotations

from importlib import import_module

from marshmallow import Schema

from models.settings import Settings
from tasks.assessors.model import Call, Reply, SchemaRefused
from tasks.assessors.model.prompt import Prompt
from tasks.assessors.model.reply import json_schema
from tasks.assessors.model.vendor import guarded


def build(settings: Settings, schema: type[Schema]) -> Call:
    """Return what asks the settings' model for replies of `schema`. ModuleNotFoundError without the vendor's SDK."""
    vendor, sdk = import_module(f"tasks.assessors.model.{settings.assessor}"), import_module(settings.assessor)
    form = json_schema(schema)
    refused = False  # by a server that finds the schema in the prompt from then on

    def call(prompt: Prompt, seconds: float) -> Reply:
        nonlocal refused
        if not refused:
            try:
                return guarded(sdk, seconds, lambda http: vendor.ask(settings, prompt, http, form))
            except SchemaRefused:
                refused = True
        return guarded(sdk, seconds, lambda http: vendor.ask(settings, prompt.with_schema(form), http, form))

    return call
