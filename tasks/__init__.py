"""Anything slow or repeated. The only folder that knows Celery and AI vendors."""

from celery import Celery
from celery.signals import setup_logging, task_postrun, task_prerun

from models import logs

celery = Celery("escalation")
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
