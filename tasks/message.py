"""Publish a message to Celery's workers with a single call to Redis.

Celery's own way is expensive for an intake, because it creates a new Redis client for each message
(docs/decisions/0004). The format is documented: Celery's message protocol 2, in the envelope of kombu's transport for
Redis.
"""

from __future__ import annotations

import base64
import json
from functools import cache
from uuid import uuid4

from models.redis import Script, ThreadConnections, connect, redis_key
from models.settings import settings

TIMEOUT_SECONDS = 0.5
NO_LIMIT = 2**53

_EMBEDDED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


_PUT = """
if redis.call('LLEN', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('LPUSH', KEYS[1], ARGV[1])
return 1
"""


def send(task: str, *arguments: str, queue: str, most: int = NO_LIMIT) -> bool:
    """Publish a task to a queue. Raises RedisError or OSError if Redis did not confirm it.

    The message may have been delivered all the same. No worker reads a misspelt queue. False: the queue already
    holds `most` messages or more, and this one was not added.
    """
    return bool(_put()([redis_key(queue)], [message(task, arguments, queue), most]))


def message(task: str, arguments: tuple[str, ...], queue: str) -> str:
    """Render the message as stored in Redis."""
    task_id = str(uuid4())
    body = json.dumps([arguments, {}, _EMBEDDED]).encode()
    return json.dumps(
        {
            "body": base64.b64encode(body).decode(),
            "content-type": "application/json",
            "content-encoding": "utf-8",
            "headers": {
                "lang": "py",
                "task": task,
                "id": task_id,
                "root_id": task_id,
                "parent_id": None,
                "group": None,
                "retries": 0,
                "eta": None,
                "expires": None,
                "timelimit": [None, None],
                "ignore_result": True,
            },
            "properties": {
                "correlation_id": task_id,
                "reply_to": "",
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": queue},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": str(uuid4()),
            },
        }
    )


@cache
def _put() -> Script:
    return Script(ThreadConnections(connect(settings().redis, seconds=TIMEOUT_SECONDS)), _PUT)
