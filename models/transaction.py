"""The unit of work: one scope of row-level security, one commit, and events appended just before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from contextvars import ContextVar
from functools import cache, lru_cache
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import PoolProxiedConnection, Result
from sqlalchemy.engine import IteratorResult
from sqlalchemy.engine.result import SimpleResultMetaData
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from models import account, database, feed
from models.account import Caller
from models.database.conflicts import repeated
from models.database.prepared import Prepared
from models.feed import append, card
from models.feed.append import Appended, Changed
from models.feed.card import Representation
from models.feed.head import Writing, heads

# The logged-in role owns nothing; each transaction takes one of these two for its own length. How this database
# names them, its connections know (models/database/roles.py).
Kind = Literal["app", "upkeep"]

# The caller whose writes are refused as soon as they are no longer who they were; None: nobody's request.
_writer: ContextVar[Caller | None] = ContextVar("writer", default=None)

SCOPE = "SELECT set_config('role', %(role)s, true), set_config('app.account_id', %(account)s, true)"


class Source:
    """Provides sessions and connections from the engine. Tests put one connection in its place."""

    def session(self) -> Session:
        """A new session of its own."""
        return _sessions()()

    def begin(self, session: Session, kind: Kind, account_id: UUID | None) -> None:
        """Begin the session's transaction within this scope; nothing is sent before its first statement."""
        raw: Any = session.connection().connection.driver_connection
        # Nothing of a caller's is in it: one of two roles, and ids.
        role = getattr(raw.roles, kind).replace("'", "''")
        scope = SCOPE % {"role": f"'{role}'", "account": f"'{account_id or ''}'"}
        raw.begin_with(scope + refusal(account_id))

    @contextmanager
    def reading(self) -> Iterator[PoolProxiedConnection]:
        """The driver's connection, whose every message is a transaction of its own; nothing is begun or committed."""
        with database.sqlalchemys_errors():
            taken = database.engine().raw_connection()
        with closing(taken) as connection:
            raw: Any = connection.driver_connection
            raw.autocommit = True
            try:
                yield connection
            finally:
                if raw.closed:
                    connection.invalidate()
                else:
                    raw.autocommit = False


source = Source()


@contextmanager
def only_while(caller: Caller) -> Iterator[None]:
    """Run transactions in the caller's account only while the caller's access is unchanged.

    It is asked in the message that begins the transaction, and until it ends nobody can take their access away.
    Raises CallerChangedError: the token has ended, or the person was deleted or has another role.
    """
    before = _writer.set(caller)
    try:
        yield
    except DBAPIError as error:
        if database.sqlstate(error) == account.CHANGED_STATE:
            raise account.CallerChangedError from error
        raise
    finally:
        _writer.reset(before)


def refusal(account_id: UUID | None) -> str:
    """SQL to follow a transaction's scope that refuses a changed caller, or nothing."""
    writer = _writer.get()
    return f";{account.refusal_of(writer)}" if writer and writer.account_id == account_id else ""


@cache
def _sessions() -> sessionmaker[Session]:
    return sessionmaker(database.engine(), expire_on_commit=False)


@contextmanager
def transaction(account_id: UUID) -> Iterator[Session]:
    """Open a transaction within one account. Commits at the end; an exception rolls everything back."""
    with _scoped("app", account_id) as session:
        yield session


@contextmanager
def maintenance() -> Iterator[Session]:
    """Open a transaction across accounts, for what is no person's request: sign-in, the sweep, the command line."""
    with _scoped("upkeep", None) as session:
        yield session


@contextmanager
def _scoped(kind: Kind, account_id: UUID | None) -> Iterator[Session]:
    with source.session() as session:
        source.begin(session, kind, account_id)
        writing: dict[UUID, Writing] = session.info.setdefault("writing", {})
        try:
            yield session
            session.flush()
            append_now(session)
        except BaseException:
            for announced, each in writing.items():
                heads().withdraw(announced, each)
            raise
        session.commit()  # who fails here may have committed all the same, and stays announced
        for announced, each in writing.items():
            to: Appended = session.info["heads"][announced]
            heads().committed(announced, each, to.head, to.epoch, to.pace)


def append_now(session: Session) -> dict[UUID, Appended]:
    """Append the events collected so far. Only for a caller that needs their numbers inside the transaction."""
    return _append(session, show=False)


def append_and_represent(session: Session, account_id: UUID, handoff_id: UUID) -> Representation:
    """Append the event collected for this handoff, and return the handoff in full with the event's number.

    The card of the event and the answer to the caller come from one read.
    """
    made = _append(session, show=True)
    shown = made[account_id].whole if account_id in made else None
    return shown or card.representation(session, account_id, handoff_id)


def _append(session: Session, *, show: bool) -> dict[UUID, Appended]:
    """Announce the write in Redis, then append."""
    writing: dict[UUID, Writing] = session.info["writing"]
    for account_id in feed.collected(session) - writing.keys():
        writing[account_id] = heads().announce(account_id)
    made = append.append_events(session, show=show)
    session.info.setdefault("heads", {}).update(made)
    return made


@repeated
def change(account_id: UUID, what: Prepared, values: Mapping[str, Any], *, show: bool = False) -> Changed:
    """Carry out a change of one handoff and append its event, as a transaction of a single message."""
    writing = heads().announce(account_id)
    try:
        with one_message(account_id) as message:
            changed = append.change_and_append(message, what, values, show=show)
    except Exception as error:
        if not database.is_away(error):  # else it may have committed all the same, and stays announced
            heads().withdraw(account_id, writing)
        raise
    if to := changed.appended:
        heads().committed(account_id, writing, to.head, to.epoch, to.pace)
    else:
        heads().withdraw(account_id, writing)
    return changed


class Message:
    """Sends each statement with its scope in a single message that is a transaction of its own.

    One round trip, where a transaction() of one statement takes two, and over the driver's connection: SQLAlchemy
    would describe every result anew.
    """

    def __init__(self, connection: PoolProxiedConnection, scope: str, names: Mapping[str, str]) -> None:
        self._connection = connection
        self._scope = scope
        self._names = names

    @property
    def info(self) -> dict[Any, Any]:
        """Data stored with the connection for its lifetime."""
        return self._connection.info

    def exec_driver_sql(self, sql: str, values: Mapping[str, Any]) -> Result[Any]:
        """Like a SQLAlchemy connection; `values` may use the name `account` only for the account in scope."""
        with database.sqlalchemys_errors(self._connection), closing(self._connection.cursor()) as cursor:
            cursor.execute(self._scope + sql, {**values, **self._names})
            named = tuple(column[0] for column in cursor.description or ())
            return IteratorResult(_columns(named), iter(cursor.fetchall() if named else ()))


@lru_cache
def _columns(names: tuple[str, ...]) -> SimpleResultMetaData:
    return SimpleResultMetaData(names)


@contextmanager
def reading() -> Iterator[Message]:
    """For single statements without a scope, about what is no account's."""
    with source.reading() as connection:
        yield Message(connection, "", {})


@contextmanager
def one_message(account_id: UUID) -> Iterator[Message]:
    """Open a connection within one account for frequent work that is a single SQL statement."""
    with source.reading() as connection:
        yield _within(connection, "app", account_id)


@contextmanager
def maintenance_message() -> Iterator[Message]:
    """The same as one_message, across accounts."""
    with source.reading() as connection:
        yield _within(connection, "upkeep", None)


def _within(connection: PoolProxiedConnection, kind: Kind, account_id: UUID | None) -> Message:
    raw: Any = connection.driver_connection
    names = {"role": getattr(raw.roles, kind), "account": str(account_id or "")}
    return Message(connection, f"{SCOPE}{refusal(account_id)};", names)
