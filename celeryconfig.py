"""Celery's settings, each with its reason. The database is the truth; a message is only a wake-up."""

from kombu import Queue

from models.settings import settings

broker_url = settings().redis_url

# Ids only, as JSON: nothing of a ticket lies in Redis, and no pickle is ever loaded.
task_serializer = "json"
accept_content = ["json"]

# Nobody reads results: the assessment's row is the result. So nothing grows in Redis.
result_backend = None
task_ignore_result = True
task_track_started = False

# Lanes. A misspelt queue must raise instead of filling a list that no worker reads.
task_queues = [Queue("interactive"), Queue("bulk"), Queue("upkeep")]
task_default_queue = "interactive"
task_create_missing_queues = False

# A message is acknowledged when its task starts. Late acknowledgement on Redis loses work as well (between
# the pop and the bookkeeping), and redelivers it too late to matter; the row's lease and the sweep give what it
# only promises.
task_acks_late = False

# A slot takes a message when it is free and not before, so that nothing interactive waits behind a long call.
worker_prefetch_multiplier = 1
worker_disable_prefetch = True
# After a Redis restart the prefetch count would be lowered by what is still running; the slots are known free.
worker_enable_prefetch_count_reduction = False
# Cancelling what runs when Redis goes away would pay for the model's call a second time.
worker_cancel_long_running_tasks_on_connection_loss = False

# Redis may be away when a worker starts and for as long as it likes.
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
broker_transport_options = {
    # Finds a half-open connection; the worker's own blocking pop returns every second.
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "health_check_interval": 10,
    # Only messages that were taken and not yet started are ever restored; far above any wait in a worker.
    "visibility_timeout": 600,
}

# On a deploy a worker ends what ends within these seconds and leaves the rest to the lease.
worker_soft_shutdown_timeout = 5

# Keep the root logger as the process has set it: JSON lines without ticket text.
worker_hijack_root_logger = False
worker_redirect_stdouts = False

imports = ["tasks.assess", "tasks.batch", "tasks.sweep"]

timezone = "UTC"
beat_schedule = {
    # An unserved run expires before the next one is due, so that they do not pile up while workers are away.
    "sweep": {"task": "sweep", "schedule": 5.0, "options": {"queue": "upkeep", "expires": 5}},
    "prune": {"task": "prune", "schedule": 60.0, "options": {"queue": "upkeep", "expires": 60}},
    "batches": {"task": "drive_batches", "schedule": 2.0, "options": {"queue": "upkeep", "expires": 2}},
}
