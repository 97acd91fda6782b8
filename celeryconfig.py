"""Celery's settings, each with its reason. The database is the truth; a message is only a wake-up."""

from kombu import Queue

from models.redis import redis_key
from models.settings import settings

broker_url = settings().redis.broker_url
broker_use_ssl = dict(settings().redis.tls) if settings().redis.scheme == "rediss" else None

# Names only, as JSON: no ticket text is ever in Redis, and no pickle is ever loaded.
task_serializer = "json"
accept_content = ["json"]

# Nobody reads results: the assessment's row is the result. So nothing accumulates in Redis.
result_backend = None
task_ignore_result = True
task_track_started = False

# Lanes. A misspelt queue must raise instead of filling a list that no worker reads.
task_queues = [Queue("interactive"), Queue("bulk"), Queue("maintenance")]
task_default_queue = "interactive"
task_create_missing_queues = False

# A message is acknowledged when its task starts. Late acknowledgement on Redis loses work as well (between the pop
# and the bookkeeping), and redelivers it too late to matter; the row's lease and the sweep deliver what it only
# promises.
task_acks_late = False

# A slot takes a message only when it is free, so that nothing interactive waits behind a long call.
worker_prefetch_multiplier = 1
worker_disable_prefetch = True
# After a Redis restart Celery would lower the prefetch count by what still runs; the slots are known free.
worker_enable_prefetch_count_reduction = False
# Cancelling running tasks when Redis goes away would mean paying for the model's call a second time.
worker_cancel_long_running_tasks_on_connection_loss = False

# Redis may be down when a worker starts, for any length of time; tasks/__init__.py sets the retry interval.
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
broker_transport_options = {
    # Another installation on the same server has its own queues, and neither takes the other's messages.
    "global_keyprefix": redis_key(""),
    # Detects a half-open connection; the worker's own blocking pop returns every second.
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "health_check_interval": 10,
    # Only messages that were taken but not started are ever restored; far longer than any wait in a worker.
    "visibility_timeout": 600,
}

# Threads cannot be ended from outside, so Celery's soft and cold shutdowns would wait for the longest call (a soft
# shutdown also sleeps its full time, even when all is done). TERM is the warm shutdown: it stops taking messages at
# once, and tasks/worker/lifecycle.py gives back what has not ended after the grace period. For the same reason
# REMAP_SIGTERM is not set.
worker_soft_shutdown_timeout = 0

# Limits of tasks or memory per child apply to processes, not to threads. The calls' own deadlines limit their time,
# and the platform limits the worker's memory.

# Each worker has its own queue for the messages by which it checks that it still receives any.
worker_direct = True

# Keep the root logger as the process has set it: JSON lines without ticket text.
worker_hijack_root_logger = False
worker_redirect_stdouts = False

imports = [
    "tasks.assess",
    "tasks.batch",
    "tasks.embed",
    "tasks.sweep",
    "tasks.worker.lifecycle",
    "tasks.worker.free_slots",
]

timezone = "UTC"
# No message expires: a worker whose clock is minutes ahead would find every one expired. The sweep itself skips what
# piled up while workers were away.
beat_schedule = {
    "sweep": {"task": "sweep", "schedule": settings().sweep_seconds, "options": {"queue": "maintenance"}},
    "prune": {"task": "prune", "schedule": 60.0, "options": {"queue": "maintenance"}},
    "count-words": {"task": "count_words", "schedule": 60.0, "options": {"queue": "maintenance"}},
    "embed": {"task": "request_embedding", "schedule": 10.0, "options": {"queue": "maintenance"}},
    "batches": {"task": "drive_batches", "schedule": 2.0, "options": {"queue": "maintenance"}},
}
