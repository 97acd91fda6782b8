"""Liveness, readiness and metrics."""

from __future__ import annotations

import os

import redis
from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Gauge, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from api.http.answers import answer
from models.assessment.unfinished import backlog
from models.database.migrations import expected_revision
from models.redis import fault, heartbeats
from models.settings import settings
from models.transaction import maintenance

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """This process answers."""
    return answer({"status": "ok"})


@blueprint.get("/readyz")
def readyz() -> Response:
    """Whether the parts are there, and how long ago a message last reached each worker.

    Intake needs the database and its migrations; Redis and the workers only make it quick.
    """
    parts = {"database": _database(), "redis": fault() or "ok"}
    parts["migrations"] = _migrations() if parts["database"] == "ok" else "unknown"
    ages = _heartbeat_ages()
    parts["workers"] = _workers(ages)
    ready = parts["database"] == parts["migrations"] == "ok"
    status = "ok" if all(part == "ok" for part in parts.values()) else "degraded" if ready else "away"
    body = {"status": status, "parts": parts, "heartbeat_age_seconds": ages}
    return answer(body, 200 if ready else 503, Cache_Control="no-store")


def _heartbeat_ages() -> dict[str, float] | None:
    """Ages by worker; None if Redis, which keeps them, does not answer."""
    try:
        return {name: round(age, 1) for name, age in sorted(heartbeats.heartbeat_ages().items())}
    except (redis.RedisError, OSError):
        return None


def _workers(ages: dict[str, float] | None) -> str:
    if ages is None:
        return "unknown"
    return "ok" if any(age < settings().worker_deaf_seconds for age in ages.values()) else "away"


def _database() -> str:
    try:
        with maintenance() as session:
            session.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return "away"
    return "ok"


def _migrations() -> str:
    with maintenance() as session:
        current = session.scalar(text("SELECT version_num FROM alembic_version"))
    return "ok" if current == expected_revision() else f"at {current}, expected {expected_revision()}"


@blueprint.get("/metrics")
def metrics() -> Response:
    """Prometheus' text format; of all processes that share PROMETHEUS_MULTIPROC_DIR, where it is set."""
    counters = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        counters = CollectorRegistry()
        MultiProcessCollector(counters)
    return Response(generate_latest(counters) + generate_latest(_gauges()), content_type=CONTENT_TYPE_LATEST)


def _gauges() -> CollectorRegistry:
    """Yield gauges read now from the database and Redis; those of an unavailable part are left out."""
    now = CollectorRegistry()
    count = Gauge("escalation_unfinished", "Assessments that have not ended", ["lane", "state"], registry=now)
    oldest = Gauge("escalation_oldest_seconds", "Age of the oldest of them", ["lane", "state"], registry=now)
    heard = Gauge("escalation_heartbeat_age_seconds", "Since a message reached it", ["worker"], registry=now)
    try:
        with maintenance() as session:
            for each in backlog(session):
                count.labels(each.lane, each.state).set(each.count)
                oldest.labels(each.lane, each.state).set(each.oldest_seconds)
    except SQLAlchemyError:
        pass
    for name, age in (_heartbeat_ages() or {}).items():
        heard.labels(name).set(age)
    return now
