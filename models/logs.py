"""Logs as JSON lines with ids; never ticket text, never tokens."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from models.settings import settings

_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def set_up() -> None:
    """Send every log record of this process to stderr in one format. May be called twice."""
    console = settings().log_format == "console"
    last = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                last,
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    # Celery logs the start and end of every task; our own lines do so with ids.
    logging.getLogger("celery.worker.strategy").setLevel(logging.WARNING)
    logging.getLogger("celery.app.trace").setLevel(logging.WARNING)
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def logger(name: str) -> Any:
    """Return the logger of a module."""
    return structlog.stdlib.get_logger(name)


def bind(**ids: Any) -> None:
    """Add these ids to every line of this request or task."""
    structlog.contextvars.bind_contextvars(**ids)


def clear() -> None:
    """Drop the ids at its end."""
    structlog.contextvars.clear_contextvars()
