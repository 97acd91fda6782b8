"""The Celery app of the small service."""

import os

from celery import Celery

app = Celery("tasks", broker=os.environ["REDIS_URL"])
app.conf.broker_connection_retry_on_startup = True
