"""Build the assessor of this process."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from models.settings import Settings, SettingsError
from tasks.assessors.base import Assessor

if TYPE_CHECKING:
    from redis import Redis

_lock = Lock()
_built: dict[tuple[int, int], tuple[Settings, Redis, Assessor]] = {}


def build(settings: Settings, redis: Redis) -> Assessor:
    """Return the assessor named by ASSESSOR, one per process. `redis` must have short socket timeouts.

    SettingsError when the vendor's SDK is not installed. A missing key shows when it is used.
    """
    key = (id(settings), id(redis))
    with _lock:
        if key not in _built:
            # The objects are stored with the assessor, so that no other objects get their ids.
            _built[key] = (settings, redis, _make(settings, redis))
        return _built[key][2]


def _make(settings: Settings, redis: Redis) -> Assessor:
    """Import only what is used: neither SDK is needed for the other, or for the offline assessor."""
    try:
        if settings.assessor == "openai":
            from tasks.assessors.model import openai

            return openai.build(settings, redis)
        if settings.assessor == "anthropic":
            from tasks.assessors.model import anthropic

            return anthropic.build(settings, redis)
    except ModuleNotFoundError as error:
        raise SettingsError(f"settings: ASSESSOR={settings.assessor} needs requirements-ai.txt ({error})") from error
    from tasks.assessors.extractive import Extractive

    return Extractive()
