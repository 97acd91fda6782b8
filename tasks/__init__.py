"""Anything slow or repeated. The only folder that knows Celery and AI vendors."""

from typing import Any

from celery import Celery
from celery.app.amqp import AMQP
from celery.signals import setup_logging, task_postrun, task_prerun
from kombu.connection import Connection

from models import logs

RECONNECT_SECONDS = 2.0


class SteadyConnection(Connection):
    """A connection that retries Redis at a fixed interval: kombu's own backoff grows to half a minute."""

    def ensure_connection(self, *arguments: Any, **options: Any) -> Connection:
        """Connect as kombu does. Called by workers when they lose Redis, and by beat when it starts."""
        pace = {"interval_start": RECONNECT_SECONDS, "interval_step": 0, "interval_max": RECONNECT_SECONDS}
        return super().ensure_connection(*arguments, **pace, **options)


class SteadyAMQP(AMQP):
    """Celery's access to its broker, with steady connections."""

    Connection = SteadyConnection


celery = Celery("escalation", amqp=SteadyAMQP)
celery.config_from_object("celeryconfig")


@setup_logging.connect
def _set_up_logging(**_: object) -> None:
    logs.set_up()


@task_prerun.connect
def _name_the_task(task_id: str, task: object, **_: object) -> None:
    logs.bind(task_id=task_id, task=getattr(task, "name", None))


@task_postrun.connect
def _forget_the_task(**_: object) -> None:
    logs.clear()
