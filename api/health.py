"""Liveness, readiness and metrics."""

from __future__ import annotations

import os

import redis
from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from api.answers import answer
from models.migrations import expected_revision
from models.redis import client
from models.transaction import upkeep

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """This process answers."""
    return answer({"status": "ok"})


@blueprint.get("/readyz")
def readyz() -> Response:
    """Whether the parts are there. Intake needs the database and its migrations; Redis only makes it quick."""
    parts = {"database": _database(), "redis": _redis()}
    parts["migrations"] = _migrations() if parts["database"] == "ok" else "unknown"
    ready = parts["database"] == parts["migrations"] == "ok"
    status = "ok" if all(part == "ok" for part in parts.values()) else "degraded" if ready else "away"
    return answer({"status": status, "parts": parts}, 200 if ready else 503, Cache_Control="no-store")


def _database() -> str:
    try:
        with upkeep() as session:
            session.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return "away"
    return "ok"


def _migrations() -> str:
    with upkeep() as session:
        current = session.scalar(text("SELECT version_num FROM alembic_version"))
    return "ok" if current == expected_revision() else f"at {current}, expected {expected_revision()}"


def _redis() -> str:
    try:
        client().ping()
    except (redis.RedisError, OSError):
        return "away"
    return "ok"


@blueprint.get("/metrics")
def metrics() -> Response:
    """Prometheus' text format; of all web processes where PROMETHEUS_MULTIPROC_DIR is set."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
