"""The unit of work: one scope of row-level security, one commit, and events appended just before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import PoolProxiedConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import sessionmaker

from models import account, database
from models.account import Caller
from models.database import executor
from models.database.conflicts import repeated
from models.database.executor import Session
from models.database.prepared import Prepared
from models.feed import append, card
from models.feed.append import Changed
from models.feed.card import Representation
from models.feed.head import heads
from models.feed.unit_of_work import Appended, UnitOfWork

# The logged-in role owns nothing; each transaction takes one of these two for its own length. How this database
# names them is known to its connections (models/database/roles.py).
Kind = Literal["app", "upkeep"]

# The caller whose writes are refused once their access has changed; None outside a request.
_writer: ContextVar[Caller | None] = ContextVar("writer", default=None)


class Source:
    """Provides sessions and connections from the engine. Tests put one connection in its place."""

    def session(self) -> UnitOfWork:
        """A new session of its own."""
        return _sessions()()

    def begin(self, session: Session, kind: Kind, account_id: UUID | None) -> None:
        """Begin the session's transaction within this scope; nothing is sent before its first statement."""
        raw: Any = session.connection().connection.driver_connection
        raw.begin_with(scope(raw, kind, account_id))

    @contextmanager
    def reading(self) -> Iterator[PoolProxiedConnection]:
        """The driver's connection, whose every message is a transaction of its own; nothing is begun or committed."""
        with executor.sqlalchemys_errors():
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

    The database checks it in the first message of the transaction, before whose end nobody can take the access away.
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


def scope(connection: Any, kind: Kind, account_id: UUID | None) -> str:
    """SQL that gives a transaction its role and its account, and refuses a changed caller.

    It is a text without values, because it travels ahead of the first statement; a caller has no part in it.
    """
    role = getattr(connection.roles, kind).replace("'", "''")
    sql = (
        f"SELECT set_config('role', '{role}', true) AS role,"
        f" set_config('app.account_id', '{account_id or ''}', true) AS account"
    )
    writer = _writer.get()
    if writer is None or writer.account_id != account_id:
        return sql
    # Two admins who take each other's access away: the second is looked at after the first has done it.
    lock = f"{account.lock_of(writer.account_id)};" if kind == "upkeep" else ""
    return f"{sql};{lock}{account.refusal_of(writer)}"


@cache
def _sessions() -> sessionmaker[UnitOfWork]:
    return sessionmaker(database.engine(), class_=UnitOfWork, expire_on_commit=False)


@contextmanager
def transaction(account_id: UUID) -> Iterator[UnitOfWork]:
    """Open a transaction within one account. Commits at the end; an exception rolls everything back."""
    with _scoped("app", account_id) as session:
        yield session


@contextmanager
def maintenance() -> Iterator[UnitOfWork]:
    """Open a transaction across accounts, for what is no person's request: sign-in, the sweep, the command line."""
    with _scoped("upkeep", None) as session:
        yield session


@contextmanager
def administration(account_id: UUID) -> Iterator[UnitOfWork]:
    """Open a transaction within one account that may write its people, tokens and settings.

    The role of requests may not, so that an injection there makes nobody an admin. Of these tables, the rows of other
    accounts are hidden here too. A caller's changes in one account wait for each other.
    """
    with _scoped("upkeep", account_id) as session:
        yield session


@contextmanager
def _scoped(kind: Kind, account_id: UUID | None) -> Iterator[UnitOfWork]:
    with source.session() as session:
        source.begin(session, kind, account_id)
        try:
            yield session
            session.flush()
            append_now(session)
        except BaseException:
            for announced, writing in session.announced.items():
                heads().withdraw(announced, writing)
            raise
        session.commit()  # an error here may come after the commit, so the announcements stand
        for announced, writing in session.announced.items():
            to = session.appended[announced]
            heads().committed(announced, writing, to.head, to.epoch, to.pace)


def append_now(session: UnitOfWork, *, show: bool = False) -> dict[UUID, Appended]:
    """Append the events collected so far, after announcing them in Redis. Returns the new heads.

    Called before commit; earlier only for a caller that needs the numbers inside the transaction, or the handoff in
    full (`show`, where an account has a single event).
    """
    for account_id in session.events.keys() - session.announced.keys():
        session.announced[account_id] = heads().announce(account_id)
    appended = append.append_events(session, show=show)
    session.appended |= appended
    return appended


def append_and_represent(session: UnitOfWork, account_id: UUID, handoff_id: UUID) -> Representation:
    """Append the event collected for this handoff, and return the handoff in full with the event's number.

    The card of the event and the answer to the caller come from one read.
    """
    appended = append_now(session, show=True).get(account_id)
    return (appended and appended.whole) or card.representation(session, account_id, handoff_id)


@repeated
def change(
    account_id: UUID, handoff_id: UUID, what: Prepared, values: Mapping[str, Any], *, show: bool = False
) -> Changed:
    """Carry out a change of one handoff and append its event, as a transaction of a single message."""
    writing = heads().announce(account_id)
    try:
        with one_message(account_id) as message:
            changed = append.change_and_append(message, account_id, handoff_id, what, values, show=show)
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

    One round trip, where a transaction() of one statement takes two.
    """

    def __init__(self, connection: PoolProxiedConnection, scope: str = "") -> None:
        self._connection = connection
        self._scope = scope

    @property
    def prepared(self) -> set[str]:
        """Names of the statements that its connection has prepared."""
        return executor.prepared(self._connection)

    def send(self, sql: str, values: Mapping[str, Any], /) -> list[Any]:
        """Send the scope and this SQL, and return the rows of the last statement as named tuples."""
        return executor.send(self._connection, self._scope + sql, values)


@contextmanager
def reading() -> Iterator[Message]:
    """Open a connection for single statements without a scope, about data that belongs to no account."""
    with source.reading() as connection:
        yield Message(connection)


@contextmanager
def one_message(account_id: UUID) -> Iterator[Message]:
    """Open a connection within one account for frequent work that is a single SQL statement."""
    with source.reading() as connection:
        yield Message(connection, f"{scope(connection.driver_connection, 'app', account_id)};")


@contextmanager
def maintenance_message() -> Iterator[Message]:
    """The same as one_message, across accounts."""
    with source.reading() as connection:
        yield Message(connection, f"{scope(connection.driver_connection, 'upkeep', None)};")
