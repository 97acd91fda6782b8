"""A process that prunes the feed of an account in small chunks until nothing is left: to be killed."""

from __future__ import annotations

import sys
from datetime import timedelta
from uuid import UUID

from models import feed
from models.transaction import transaction


def main(account_id: UUID, chunk: int) -> None:
    """Prune everything, as the worker does it."""
    while True:
        with transaction(account_id) as session:
            if not feed.prune(session, account_id, keep=timedelta(days=1), most=0, chunk=chunk):
                return


main(UUID(sys.argv[1]), int(sys.argv[2]))
