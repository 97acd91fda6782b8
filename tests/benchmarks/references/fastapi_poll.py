"""Today's usual choice: FastAPI and asyncpg on uvicorn, one indexed query per poll, no login."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
from fastapi import FastAPI


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """A pool for the process."""
    async with asyncpg.create_pool(os.environ["BENCH_DATABASE_URL"], min_size=10, max_size=20) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)
QUERY = (
    "SELECT seq, type, created_at, card FROM feed_events WHERE account_id = $1 AND seq > $2 ORDER BY seq LIMIT 101"
)


@app.get("/events/{account}/{after}")
async def events(account: UUID, after: int) -> dict[str, Any]:
    """The events after a number."""
    rows = await app.state.pool.fetch(QUERY, account, after)
    return {"events": [dict(row) for row in rows]}
