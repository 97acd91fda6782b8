"""Keeps the word counts that the search for similar past cases chooses its words by."""

from __future__ import annotations

from models import logs
from models.assessment import vocabulary
from models.transaction import maintenance
from tasks import celery

log = logs.logger(__name__)


@celery.task(name="count_words", ignore_result=True)
def count_words() -> None:
    """Count anew where the past cases have changed much. An account a transaction; may run in many places."""
    with maintenance() as session:
        accounts = vocabulary.outdated(session)
    for account_id in accounts:
        with maintenance() as session:
            vocabulary.count(session, account_id)
    if accounts:
        log.info("words counted", accounts=len(accounts))
