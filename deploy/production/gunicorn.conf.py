"""gunicorn's settings for wsgi:app. Everything that depends on the machine comes from the environment."""

import os

from deploy import web_address
from models.settings import require_secret_key, settings

address = web_address.read(os.environ)
bind = [address.bind]
if metrics_port := settings().metrics_port:
    bind.append(address.at(metrics_port).bind)  # nothing but /metrics, and /metrics nowhere else

# An event loop for the polls, and threads for what waits on the database; two processes use two cores.
worker_class = "api.asgi.worker.Worker"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = int(os.environ.get("WEB_THREADS", "16"))

# Each process imports the app itself: a database pool or a lock made before the fork would be shared by all.
preload_app = False

# Longer than a client's few seconds between two polls, so that a poll costs no new connection.
keepalive = 15
timeout = 30
graceful_timeout = 10

# New processes now and then, not all at once, keep a slow leak from growing.
max_requests = 1_000_000
max_requests_jitter = 200_000

# The worker's sign of life is a file; on a busy disk touching it can block, in memory it cannot.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None

# The app logs each request with its ids; a second line per request says less.
accesslog = None
errorlog = "-"

# It would be a socket in the home folder, shared by every gunicorn of this user.
control_socket_disable = True


def on_starting(_server: object) -> None:
    """Stop clearly before any worker starts, when what the service gives out could not be signed."""
    require_secret_key()


def post_worker_init(_worker: object) -> None:
    """Let each process ask for the keys of signed tokens before its first request."""
    from api.auth import jwts

    jwts.start()
