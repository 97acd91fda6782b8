"""How commands fail: with one line and exit status 1; and that Ctrl-C ends them."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import click
from alembic.util.exc import CommandError
from sqlalchemy.exc import SQLAlchemyError

from models.errors import Refused

P = ParamSpec("P")
T = TypeVar("T")


def told(run: Callable[P, T]) -> Callable[P, T]:
    """Turn what a user can cause into one line and exit status 1, never a traceback."""

    @wraps(run)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
        heed_interrupts()
        try:
            return run(*args, **kwargs)
        except Refused as error:
            raise click.ClickException(error.detail) from error
        except SQLAlchemyError as error:
            raise click.ClickException(_first_line(getattr(error, "orig", None) or error)) from error
        except CommandError as error:
            raise click.ClickException(str(error)) from error

    return guarded


def heed_interrupts() -> None:
    """Let Ctrl-C be heard at a terminal.

    What a shell starts in the background inherits that it is ignored, and so does all that is started from there.
    """
    if sys.stdin.isatty() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
