"""Tell a worker's consumer at once that a slot is free.

The consumer takes no message while every slot is busy (worker_disable_prefetch), and notices a free one only when its
event loop turns. A pool of threads does not turn it: with a full queue each slot stood idle for up to a second after
every task (celery/celery issue 6941), which is four tasks a second in a worker of four threads.
"""

from __future__ import annotations

from typing import Any

from celery import bootsteps
from celery.concurrency.thread import TaskPool as ThreadPool

from tasks import celery


class FreeSlots(bootsteps.StartStopStep):
    """Run a turn of the event loop whenever a task has ended."""

    requires = ("celery.worker.components:Hub", "celery.worker.components:Pool")

    def start(self, worker: Any) -> None:
        """Called once, when pool and loop exist."""
        if not isinstance(worker.pool, ThreadPool):
            return
        begin = worker.pool.on_apply

        def on_apply(*arguments: Any, **options: Any) -> Any:
            running = begin(*arguments, **options)
            # Called in the task's thread, after the slot was released.
            running.f.add_done_callback(lambda _: worker.hub.call_soon(_turn))
            return running

        worker.pool.on_apply = on_apply


def _turn() -> None:
    """Do nothing: the call itself turns the loop."""


celery.steps["worker"].add(FreeSlots)
