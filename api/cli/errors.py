"""Report expected errors of commands as a single line with exit status 1, and let Ctrl-C end them."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import ParamSpec, TypeVar

import click
from alembic.util.exc import CommandError
from sqlalchemy.exc import SQLAlchemyError

from models.errors import Refused

P = ParamSpec("P")
T = TypeVar("T")


def one_line_errors(run: Callable[P, T]) -> Callable[P, T]:
    """Turn what a user can cause into one line and exit status 1, never a traceback."""

    @wraps(run)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
        heed_interrupts()
        _show_anything()
        try:
            returned = run(*args, **kwargs)
            sys.stdout.flush()
            return returned
        except Refused as error:
            raise click.ClickException(error.detail) from error
        except SQLAlchemyError as error:
            raise click.ClickException(_first_line(getattr(error, "orig", None) or error)) from error
        except CommandError as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # the reader of the pipe has closed it
                raise
            _drop_output()
            named = f"{error.filename}: " if error.filename else ""
            raise click.ClickException(f"{named}{error.strerror or error}") from error

    return guarded


def heed_interrupts() -> None:
    """Make Ctrl-C work at a terminal.

    What a shell starts in the background inherits that it is ignored, and so does all that is started from there.
    """
    if sys.stdin.isatty() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _show_anything() -> None:
    """Let no character fail that the terminal's or the pipe's encoding does not have."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    """What standard output could not take: it would fail once more when the interpreter ends."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
