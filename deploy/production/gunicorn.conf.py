"""gunicorn's settings for wsgi:app. Everything that depends on the machine comes from the environment."""

import os

from deploy import web_address
from models.settings import require_secret_key, settings

address = web_address.read(os.environ)
bind = [address.bind]
if metrics_port := settings().metrics_port:
    bind.append(address.at(metrics_port).bind)  # serves only /metrics, which is served nowhere else

# An event loop for the polls, and threads for what waits on the database; two processes use two cores.
worker_class = "api.asgi.worker.Worker"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = int(os.environ.get("WEB_THREADS", "16"))

# Each process imports the app itself: a database pool or a lock created before the fork would be shared by all.
preload_app = False

# Longer than a client's few seconds between two polls, so that a poll needs no new connection.
keepalive = 15
timeout = 30
graceful_timeout = 10

# Replacing processes now and then, not all at once, keeps a slow leak from growing.
max_requests = 1_000_000
max_requests_jitter = 200_000

# The worker's heartbeat is a file; touching it can block on a busy disk, but not in memory.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None

# The app logs each request with its ids; a second line per request adds nothing.
accesslog = None
errorlog = "-"

# The control socket would lie in the home folder, shared by every gunicorn of this user.
control_socket_disable = True


def on_starting(_server: object) -> None:
    """Fail with a clear error before any worker starts if there is no key to sign what the service issues."""
    require_secret_key()


def post_worker_init(_worker: object) -> None:
    """Start fetching the keys of signed tokens in each process before its first request."""
    from api.auth import jwts

    jwts.start()
