"""Really accepted handoffs, and direct access to their rows for tests of the pipeline."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast
from uuid import UUID

from flask.testing import FlaskClient
from sqlalchemy import text

from models.handoff import intake
from models.handoff.intake import Intake
from models.transaction import maintenance, transaction
from tests import world as worlds
from tests.world import World

T = TypeVar("T")


def a_world(name: str = "Acme") -> World:
    """An account with its people; nobody calls over HTTP here."""
    return worlds.create(cast(FlaskClient, None), name)


def accept(world: World, external_id: str = "T-1", **more: Any) -> tuple[UUID, UUID]:
    """Accept a handoff as intake does, without waking anybody; returns the handoff and its assessment."""
    with transaction(world.account_id) as session:
        handoff_id, assessment_id = intake.accept(
            session, world.account_id, Intake.of(worlds.intake(external_id, **more)), by=world.junior.id
        )
        assert assessment_id
        return handoff_id, assessment_id


def change(table: str, row_id: UUID, values: str) -> None:
    """Set columns of one row, as time or an accident would."""
    with maintenance() as session:
        changed = session.execute(text(f"UPDATE {table} SET {values} WHERE id = :id"), {"id": row_id})
        assert changed.rowcount == 1  # type: ignore[attr-defined]


def row(table: str, row_id: UUID) -> Any:
    """One row as it is now."""
    with maintenance() as session:
        return session.execute(text(f"SELECT * FROM {table} WHERE id = :id"), {"id": row_id}).one()


def events(handoff_id: UUID) -> list[str]:
    """Return the types of a handoff's events, in order."""
    with maintenance() as session:
        return list(
            session.scalars(
                text("SELECT type FROM feed_events WHERE handoff_id = :id ORDER BY seq"), {"id": handoff_id}
            )
        )


def at_once(count: int, act: Callable[[], T]) -> list[T]:
    """Call `act` in `count` threads that start together and return their results. Raises the first error."""
    start, results, errors = threading.Barrier(count), [], []

    def one() -> None:
        start.wait()
        try:
            results.append(act())
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results
