"""The screens: server-rendered shells, filled by ES modules from the JSON API."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, make_response, redirect, render_template, request, url_for
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from api import auth, case, labels
from api import queue as lists
from api.auth import cookie, jwts
from api.http import errors
from models import account
from models.account import Account, Caller, Kind, Role, login
from models.account.limits import limits
from models.account.settings import FIXED, SETTINGS
from models.assessment.feedback import Rating
from models.errors import NotFound
from models.handoff import COVERED, OPEN, Priority, Status, questions
from models.people import everybody
from models.session import Outcome, StepKind
from models.settings import settings as of_installation
from models.transaction import administration, maintenance, one_message, transaction

blueprint = Blueprint("pages", __name__)
case.add_filters(blueprint)

# Only our own files; no inline script or style. Trusted Types refuse what would turn text into markup.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)

OWN_PATH = re.compile(r"/(?!/)[^\\\x00-\x20\x7f]*")  # browsers read a backslash as a slash

# The options of the selects.
SELECTS = {
    "priorities": labels.options(Priority),
    "open_statuses": labels.options(Status, *OPEN),
    "covered_statuses": labels.options(Status, *COVERED),
    "kinds": labels.options(StepKind),
    "outcomes": labels.options(Outcome),
    "roles": labels.options(Role),
    "kinds_of_people": labels.options(Kind),
    "ratings": labels.options(Rating, Rating.WRONG, Rating.INCOMPLETE, Rating.HELPFUL),
}

View = Callable[..., Any]


def page(role: Role) -> Callable[[View], View]:
    """Show a page only to somebody signed in with this role or more; others are asked to sign in first."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            who = signed_in()
            if who is None:
                return _ask_to_sign_in()
            g.caller = who
            if not who.role.covers(role):
                return _message(403, "Not for your role", f"This page needs the role {role}; yours is {who.role}.")
            return view(*args, **kwargs)

        guarded.required_role = role  # type: ignore[attr-defined]
        return guarded

    return decorate


def signed_in() -> Caller | None:
    """Return the person who is signed in with this browser, or None."""
    key = cookie.login_key()
    return None if key is None else auth.verify_login(key)


def _ask_to_sign_in() -> Any:
    here = request.full_path.rstrip("?")
    if request.headers.get("Sec-Fetch-Site") == "cross-site" and cookie.NAME not in request.cookies:
        # A SameSite=Strict cookie does not come along when a link in a mail is followed. Asked for once
        # more by our own page, it does.
        return render_template("again.html", here=here)
    ended = 1 if cookie.NAME in request.cookies else None
    return redirect(url_for("pages.sign_in", next=here, ended=ended))


def safe_next(given: str | None) -> str:
    """Return where to go after sign-in: a path on this site, whatever was requested."""
    path = given or "/queue"
    return path if OWN_PATH.fullmatch(path) else "/queue"


@blueprint.get("/")
def home() -> Any:
    """The queue, or sign-in."""
    return redirect(url_for("pages.queue" if signed_in() else "pages.sign_in"))


@blueprint.get("/sign-in")
def sign_in() -> Any:
    """The form that asks for a token."""
    target = safe_next(request.args.get("next"))
    if signed_in():
        return redirect(target)
    return _sign_in_form(target)


def _sign_in_form(target: str, problem: str | None = None) -> str:
    return render_template("sign_in.html", target=target, problem=problem, ended="ended" in request.args)


@blueprint.post("/sign-in")
def begin() -> Any:
    """Sign in with a token and go where one wanted to go."""
    cookie.refuse_foreign_form()
    target = safe_next(request.form.get("next"))
    secret = request.form.get("token", "").strip()
    if jwts.looks_like_one(secret):
        # It ends within minutes, and a cookie that could stand in for it would have to hold it.
        return _sign_in_form(target, "This is a short-lived token of another system; sign in with an API token."), 401
    who = auth.verify(secret, request.remote_addr or "")
    if who is None:
        return _sign_in_form(target, "This token is unknown, expired or revoked."), 401
    if who.kind is Kind.SERVICE:
        return _sign_in_form(target, "This token is of a service account, which uses the API alone."), 403
    with maintenance() as session:
        key = login.begin(session, who)
    cookie.begin(key)
    return redirect(target, 303)


@blueprint.post("/sign-out")
def sign_out() -> Any:
    """End this browser's login, wherever its cookie has gone."""
    key = cookie.login_key()
    if key is not None:
        cookie.refuse_forged_write(request.form.get("csrf", ""))
        auth.end_logins(lambda session: login.end(session, key))
    return _signed_out()


@blueprint.post("/sign-out/everywhere")
def sign_out_everywhere() -> Any:
    """End every login of this person, in all browsers."""
    who = signed_in()
    if who is not None:
        cookie.refuse_forged_write(request.form.get("csrf", ""))
        auth.end_logins(lambda session: login.end_all(session, who.account_id, who.user_id))
    return _signed_out()


def _signed_out() -> Any:
    cookie.end()
    return redirect(url_for("pages.sign_in"), 303)


@blueprint.get("/queue")
@page(Role.VIEWER)
def queue() -> Any:
    """The queue: a view of it as it is now, which the script keeps so."""
    wait = limits().seconds_to_wait(g.caller)
    if wait > 0:
        return _message(429, "Too many requests", "Please wait a moment and load the page again.")
    asked = lists.Asked.of(request.args)
    return render_template(
        "queue.html",
        asked=asked,
        shown=lists.read(g.caller, asked),
        views=lists.views(g.caller),
        sorts=list(lists.SORTS.items()),
        empty=lists.EMPTY,
        blank=lists.rows.BLANK,
    )


@blueprint.get("/handoffs/<uuid:handoff_id>")
@page(Role.VIEWER)
def handoff(handoff_id: UUID) -> Any:
    """One handoff: its context before the claim, its session after it."""
    zone, tail = request.cookies.get("zone"), request.args.get("tail", type=int)
    is_seen = "unseen" not in request.args and "prefetch" not in request.headers.get("Sec-Purpose", "")
    try:
        shown = case.page(g.caller, handoff_id, zone=zone, tail=tail, is_seen=is_seen)
    except NotFound:
        detail = "It does not exist, or it is parked by somebody else."
        return _message(404, "This handoff is not here", detail)
    return render_template("handoff.html", **shown)


@blueprint.get("/handoffs/new")
@page(Role.ENGINEER)
def new() -> str:
    """The form that hands a session off, and one's own handoffs."""
    return render_template("new.html")


@blueprint.get("/analytics")
@page(Role.ENGINEER)
def analytics() -> str:
    """How long handoffs wait."""
    return render_template("analytics.html")


@blueprint.get("/batches")
@page(Role.ADMIN)
def batches() -> str:
    """Re-assessments in bulk."""
    return render_template("batches.html")


@blueprint.get("/people")
@page(Role.ADMIN)
def people() -> str:
    """Who is in the account, and their tokens."""
    account_id = g.caller.account_id
    with administration(account_id) as session:
        found = everybody(session, account_id)
    here = [each for each in found if each.deactivated_at is None]
    return render_template(
        "people.html",
        persons=[each for each in here if each.kind is Kind.PERSON],
        services=[each for each in here if each.kind is Kind.SERVICE],
        gone=[each for each in found if each.deactivated_at is not None],
    )


@blueprint.get("/settings")
@page(Role.ADMIN)
def settings() -> str:
    """How the account works."""
    account_id = g.caller.account_id
    with transaction(account_id) as session:
        found = account.find_account(session, str(account_id))
    usual = Account()  # one that has set nothing
    own = [
        (name, each, each.value(found), each.effective(found), each.effective(usual))
        for name, each in SETTINGS.items()
    ]
    fixed = [(name, each, each.value(of_installation())) for name, each in FIXED.items()]
    return render_template("settings.html", own=own, fixed=fixed)


@blueprint.context_processor
def _common() -> dict[str, Any]:
    return {
        "me": g.get("caller"),
        "csrf": cookie.csrf_token(),
        "labels": labels.for_scripts(),
        "asked_of_me": _asked_of_me,
        "counts": _counts,
        "title_of": lists.title_of,
        **SELECTS,
    }


def _counts() -> dict[str, Any]:
    """Return how much waits for the reader; nothing while the database is away."""
    with suppress(OperationalError, PoolTimeout):
        return lists.counts(g.caller)
    return {}


def _asked_of_me() -> list[dict[str, Any]]:
    """Return what somebody asks the reader; nothing while the database is away."""
    with suppress(OperationalError, PoolTimeout), one_message(g.caller.account_id) as message:
        return questions.waiting_for(message, g.caller.account_id, g.caller.user_id)
    return []


@blueprint.after_request
def _headers(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = POLICY
    # With no-referrer the browser would call the origin of our own forms "null".
    response.headers["Referrer-Policy"] = "same-origin"
    # What the back button shows after sign-out must not come from a cache.
    response.headers["Cache-Control"] = "no-store"
    return response


def _message(status: int, title: str, detail: str) -> Response:
    return make_response(render_template("message.html", title=title, detail=detail), status)


@blueprint.errorhandler(OperationalError)
@blueprint.errorhandler(PoolTimeout)
def _database_away(_: Exception) -> Response:
    response = _message(503, "Not available right now", "The database does not answer. Please try again in a moment.")
    response.headers["Retry-After"] = "2"
    return response


@blueprint.errorhandler(HTTPException)
def _refused(error: HTTPException) -> Response:
    status = error.code or 500
    return _message(status, errors.TITLES.get(status, error.name), error.description or "")


@blueprint.app_errorhandler(404)
def _unknown(error: HTTPException) -> Response:
    """A page for people, a problem for programs."""
    wants_page = request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"
    if request.path.startswith(("/api/", "/static/")) or not wants_page:
        return errors.http_problem(error)
    return _headers(_message(404, "There is nothing here", "The address is wrong, or what was here is gone."))
