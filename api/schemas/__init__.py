"""Requests and responses of the handoff API as marshmallow schemas; the OpenAPI document is generated from them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate, validates_schema

from models import text as words
from models.analytics import Attribute
from models.assessment import State
from models.assessment.feedback import Rating
from models.feed import MAX_SEQ, EventType
from models.handoff import OPEN, Intent, Priority, Status
from models.handoff.views import Sort, View
from models.session import Outcome, StepKind
from tasks.assessors.content import CaseStateSchema, DraftSchema

MAX_STEPS = 500
MAX_STEP_NUMBER = 2**31 - 1


class Text(fields.String):
    """A string that PostgreSQL and UTF-8 can hold: no NUL, no lone surrogate."""

    def __init__(self, *, most: int, least: int = 1, **more: Any) -> None:
        super().__init__(validate=validate.Length(min=least, max=most), **more)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> Any:
        text = super()._deserialize(value, attr, data, **more)
        if "\x00" in text:
            raise ValidationError("Must not contain NUL.")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValidationError("Must not contain lone surrogates.") from error
        return text


class Filled(Text):
    """A text of which something can be seen."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> Any:
        text = super()._deserialize(value, attr, data, **more)
        if not words.is_visible(text):
            raise ValidationError("Must not be blank.")
        return text


class TicketId(Filled):
    """An id of another system, in its one form, which a URL can name."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> Any:
        ticket = words.ticket_id(super()._deserialize(value, attr, data, **more))
        if not words.reachable(ticket):
            raise ValidationError("Must not begin or end with a slash, nor have an empty, `.` or `..` part.")
        return ticket


BAD_TIME = "Not a valid time. Send RFC 3339 with an offset, such as 2026-01-31T09:30:00Z; in a URL a plus is %2B."


class Time(fields.AwareDateTime):
    """An RFC 3339 time with its offset, in the years that PostgreSQL and Python share."""

    def __init__(self, **more: Any) -> None:
        super().__init__(format="iso", **more)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> datetime:
        try:
            # In UTC, because PostgreSQL refuses offsets of 16 hours and more.
            time = super()._deserialize(value, attr, data, **more).astimezone(UTC)
        except (OverflowError, TypeError, ValueError, ValidationError) as error:
            raise ValidationError(BAD_TIME) from error
        if not 1900 <= time.year <= 9000:
            raise ValidationError(BAD_TIME)
        return time


def one_of(kind: Any, **more: Any) -> fields.String:
    """One of an enum's values."""
    return fields.String(validate=validate.OneOf([member.value for member in kind]), **more)


class StepSchema(Schema):
    """A step as it is sent."""

    kind = one_of(StepKind, required=True)
    text = Filled(most=8000, required=True)
    outcome = one_of(Outcome, allow_none=True)
    at = Time(allow_none=True)
    author = Text(most=200, allow_none=True)
    to_user_id = fields.UUID(allow_none=True, metadata={"description": "Whom a question is for."})
    answers = fields.Integer(
        allow_none=True,
        strict=True,
        validate=validate.Range(1, MAX_STEP_NUMBER),
        metadata={
            "description": "The `seq` of an earlier question of this session. In a handoff: its place among the steps"
            " that are sent, from 1, or else its `seq`."
        },
    )

    @validates_schema(skip_on_field_errors=True)
    def _asks_if_it_has_an_addressee(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("to_user_id") is not None and data["kind"] != StepKind.QUESTION:
            raise ValidationError("Only a question is for somebody.", "to_user_id")


class IntakeSessionSchema(Schema):
    """A troubleshooting session as it is handed off."""

    external_id = TicketId(most=200, required=True)
    title = Filled(most=200, required=True)
    problem = Text(most=20_000, least=0, required=True)
    category = Text(most=100, allow_none=True)
    client = Text(most=200, allow_none=True)
    asset = Text(most=200, allow_none=True)
    opened_at = Time(allow_none=True)
    steps = fields.List(fields.Nested(StepSchema), validate=validate.Length(max=MAX_STEPS))


class IntakeSchema(Schema):
    """The body of POST /handoffs."""

    intent = one_of(Intent, required=True)
    session = fields.Nested(IntakeSessionSchema, required=True)
    reason = Filled(most=2000, required=True)
    ask = Text(most=2000, allow_none=True)
    priority = one_of(Priority, allow_none=True)
    target_user_id = fields.UUID(allow_none=True)


class SessionEditSchema(Schema):
    """What is corrected of a session. What is not named stays, as what is named with an empty text; null clears."""

    title = Filled(most=200)
    problem = Text(most=20_000, least=0)
    category = Text(most=100, allow_none=True)
    client = Text(most=200, allow_none=True)
    asset = Text(most=200, allow_none=True)


class IntakeHeaders(Schema):
    """Headers of POST /handoffs."""

    class Meta:
        unknown = EXCLUDE

    idempotency_key = Filled(most=200, data_key="Idempotency-Key")


class NothingSchema(Schema):
    """An empty body: `{}`, or none at all."""


class ReasonSchema(Schema):
    """Why something is given back."""

    reason = Text(most=2000, allow_none=True)


class ReassignSchema(ReasonSchema):
    """To whom a claim goes."""

    user_id = fields.UUID(required=True)


class ResolveSchema(Schema):
    """What fixed it."""

    resolution = Filled(most=20_000, required=True)
    root_cause = Text(most=2000, allow_none=True)


class ReadSchema(Schema):
    """Up to which event of the feed somebody has read a handoff."""

    seq = fields.Integer(
        required=True,
        strict=True,
        validate=validate.Range(0, MAX_SEQ),
        metadata={"description": "The handoff's `seq`; 0 where that is null."},
    )


class EditSchema(Schema):
    """What changes of a handoff. Null clears the target and the ask."""

    priority = one_of(Priority)
    target_user_id = fields.UUID(allow_none=True)
    reason = Filled(most=2000)
    ask = Text(most=2000, allow_none=True)


MOST_SNOOZED_DAYS = 30


def _is_soon(time: datetime) -> None:
    if not datetime.now(UTC) < time <= datetime.now(UTC) + timedelta(days=MOST_SNOOZED_DAYS):
        raise ValidationError(f"Must be in the future, at most {MOST_SNOOZED_DAYS} days ahead.")


class SnoozeSchema(Schema):
    """Until when a claim waits for something, and for what."""

    until = Time(required=True, validate=_is_soon)
    reason = Filled(most=500, required=True)


class FeedbackSchema(Schema):
    """What a reader thinks of an assessment."""

    rating = one_of(Rating, required=True)
    comment = Text(most=2000, allow_none=True)


SEARCH = (
    "Words that must all be there, whole or begun, in any case, with or without accents. Searched are the ticket "
    "(id, title, problem, client, asset, category), its steps and their authors, reason, ask, resolution, root "
    "cause, and the names of who handed it off, whom it is meant for and who took it. "
    'Also: `"side by side"`, `either or other`, `-without`. '
    "Words such as `the` count only where there are no others; a query without a word finds nothing."
)


VIEWS = (
    "`waiting`: not taken yet. `for_me`: waiting and meant for you, or reassigned to you and not opened yet. `mine`: "
    "taken by you. `handed_off`: by you, unless withdrawn. `resolved`. `all`: what you may see."
)
SORTS = (
    "`urgency`: the open ones, the most urgent first and among equals the one that has waited longest; then the "
    "closed ones, the newest first. `oldest`, `newest`: by the time of handing over, in `view=resolved` of the "
    "resolution. Default with a view: `urgency`, for `resolved` `newest`. With neither: the newest first."
)


class ListQuery(Schema):
    """Which handoffs a list shows, and which page of it."""

    status = fields.List(one_of(Status))
    priority = fields.List(one_of(Priority))
    category = Text(most=100)
    session = TicketId(most=200)
    claimed_by = fields.UUID()
    handed_off_by = fields.UUID()
    since = Time()
    until = Time()
    q = Text(most=200, metadata={"description": SEARCH})
    view = one_of(View, metadata={"description": VIEWS})
    sort = one_of(Sort, metadata={"description": SORTS})
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 200))
    page = Text(most=1000)


class SessionQuery(Schema):
    """Which session of a ticket: a parked handoff has a draft of its own."""

    handoff = fields.UUID(
        metadata={"description": "The session of this handoff. Default: the ticket's, which all see."}
    )


class QueueQuery(Schema):
    """Which open handoffs the snapshot shows."""

    status = fields.List(fields.String(validate=validate.OneOf([status.value for status in OPEN])))
    priority = fields.List(one_of(Priority))
    category = Text(most=100)
    mine = fields.Boolean()
    q = Text(most=200, metadata={"description": SEARCH})
    limit = fields.Integer(load_default=100, validate=validate.Range(1, 200))
    page = Text(most=1000)


class FeedQuery(Schema):
    """A place in the feed. Checked by the route itself, whose errors have codes of their own."""

    is_checked_by_route = True

    cursor = fields.String(metadata={"description": "Opaque, or `now`. Required."})
    limit = fields.String(metadata={"description": "1 to 200, default 100."})
    collapse = fields.String(metadata={"description": "none (default) or entity."})


def _time() -> fields.String:
    return fields.String(metadata={"format": "date-time"}, allow_none=True)


class PersonSchema(Schema):
    """A person, by name."""

    id = fields.UUID()
    name = fields.String()


class SessionCardSchema(Schema):
    """A session as a handoff carries it. On cards `problem` is cut to 500 characters."""

    external_id = fields.String()
    title = fields.String()
    problem = fields.String()
    category = fields.String(allow_none=True)
    client = fields.String(allow_none=True)
    asset = fields.String(allow_none=True)
    steps_count = fields.Integer()


class CauseSchema(Schema):
    """A likely cause without its evidence."""

    text = fields.String()


class ShortAssessmentSchema(Schema):
    """What a card shows of an assessment."""

    summary = fields.String(allow_none=True)
    likely_cause = fields.Nested(CauseSchema, allow_none=True)
    confidence = fields.String(allow_none=True)
    source = fields.String(allow_none=True)


class AssessmentSchema(DraftSchema):
    """One generation in full: `state` is that of the case, `assessment_state` that of the generation.

    A failed one has neither summary, confidence nor state; one of an older version has no state.
    """

    state = fields.Nested(CaseStateSchema, allow_none=True)
    summary = fields.String(allow_none=True)  # type: ignore[assignment]
    confidence = fields.String(allow_none=True)
    generation = fields.Integer()
    assessment_state = one_of(State)
    source = fields.String(allow_none=True)
    prompt_version = fields.String(allow_none=True)
    input_hash = fields.String(allow_none=True)
    steps_seen = fields.Integer(allow_none=True)
    steps_newer = fields.Integer(allow_none=True)
    retracted_evidence = fields.List(
        fields.String(), metadata={"description": "What it rests on and was retracted since, such as `step:3`."}
    )
    queued_at = _time()
    started_at = _time()
    finished_at = _time()
    attempts = fields.Integer()
    provider_calls = fields.Integer()
    dropped_evidence = fields.Integer()
    tokens_in = fields.Integer()
    tokens_out = fields.Integer()
    cost = fields.Float()
    error_kind = fields.String(allow_none=True)


class CardSchema(Schema):
    """A handoff as the feed, the queue and lists show it."""

    id = fields.UUID()
    intent = one_of(Intent)
    status = one_of(Status)
    version = fields.Integer()
    priority = one_of(Priority)
    reason = fields.String()
    ask = fields.String(allow_none=True)
    session = fields.Nested(SessionCardSchema)
    handed_off_by = fields.Nested(PersonSchema)
    target = fields.Nested(PersonSchema, allow_none=True)
    claimed_by = fields.Nested(PersonSchema, allow_none=True)
    created_at = _time()
    ready_at = _time()
    claimed_at = _time()
    first_action_at = _time()
    lease_until = fields.String(
        allow_none=True,
        metadata={
            "format": "date-time",
            "description": "A claim without a first action goes back to the queue at this time. Null: no lease runs.",
        },
    )
    snoozed_until = _time()
    snooze_reason = fields.String(allow_none=True)
    resolved_at = _time()
    resolution = fields.String(allow_none=True)
    seq = fields.Integer(allow_none=True)
    returns = fields.Integer()
    overdue = fields.Boolean()
    questions_open = fields.Integer(
        metadata={"description": "How many questions to somebody wait for an answer; 0 when the handoff is not open."}
    )
    assessment_state = one_of(State, allow_none=True)
    assessment = fields.Nested(ShortAssessmentSchema, allow_none=True)


class HandoffSchema(CardSchema):
    """A handoff in full."""

    assessment = fields.Nested(AssessmentSchema, allow_none=True)


class ReassessedSchema(HandoffSchema):
    """A handoff with the generation that is queued or running."""

    generation = fields.Integer()


class MatchSchema(Schema):
    """A place where a search found a word: characters `start` to `end` of an excerpt of the field."""

    field = fields.String(
        metadata={
            "description": "ticket, title, client, asset, category, person, ask, reason, problem, resolution, "
            "root_cause, or step:N"
        }
    )
    text = fields.String()
    start = fields.Integer()
    end = fields.Integer()


class RowSchema(CardSchema):
    """A handoff in a list: its card, and what it is to the caller. `matched` stands in the rows of a search alone."""

    unread = fields.Boolean()
    matched = fields.List(fields.Nested(MatchSchema))


class RowPageSchema(Schema):
    """A page of a list."""

    items = fields.List(fields.Nested(RowSchema))
    next_page = fields.String(allow_none=True)


class QueuePageSchema(RowPageSchema):
    """A page of the queue; the last one carries the cursor from which the feed continues."""

    cursor = fields.String()


class CountSchema(Schema):
    """How many handoffs a view has."""

    total = fields.Integer()
    urgent = fields.Integer(metadata={"description": "Of the open ones."})
    unread = fields.Integer(metadata={"description": "Of the open ones."})


class TotalSchema(Schema):
    """How many handoffs a view has, without more."""

    total = fields.Integer()


class ViewCountsSchema(Schema):
    """The views of the caller. Resolved handoffs count for 30 days."""

    waiting = fields.Nested(CountSchema)
    for_me = fields.Nested(CountSchema)
    mine = fields.Nested(CountSchema)
    handed_off = fields.Nested(CountSchema)
    resolved = fields.Nested(TotalSchema)


class CountsSchema(Schema):
    """The counts of the views as of the feed's event `seq`."""

    views = fields.Nested(ViewCountsSchema)
    seq = fields.Integer()


class EventSchema(Schema):
    """One event of the feed."""

    seq = fields.Integer()
    type = one_of(EventType)
    at = _time()
    handoff = fields.Nested(CardSchema)


class FeedSchema(Schema):
    """A stretch of the feed: after `from`, up to and including `to`."""

    events = fields.List(fields.Nested(EventSchema))
    from_ = fields.Integer(data_key="from")
    to = fields.Integer()
    head = fields.Integer()
    has_more = fields.Boolean()
    cursor = fields.String()


class AssessmentPageSchema(Schema):
    """Every generation of a handoff."""

    items = fields.List(fields.Nested(AssessmentSchema))
    next_page = fields.String(allow_none=True)


class SentMessageSchema(Schema):
    """One message of what a provider was sent."""

    role = fields.String()
    content = fields.String()


class SentSchema(Schema):
    """What a provider was sent for one generation."""

    generation = fields.Integer()
    system = fields.String()
    messages = fields.List(fields.Nested(SentMessageSchema))


class FeedbackAnswer(Schema):
    """What was stored of a rating."""

    generation = fields.Integer()
    rating = one_of(Rating)
    comment = fields.String(allow_none=True)


class StoredStepSchema(Schema):
    """A step as it is stored. `added_by` sent it; `author` is the person named as having done it."""

    seq = fields.Integer()
    kind = one_of(StepKind)
    text = fields.String()
    outcome = one_of(Outcome, allow_none=True)
    at = _time()
    author = fields.String(allow_none=True)
    added_by = fields.Nested(PersonSchema)
    added_at = _time()
    to = fields.Nested(PersonSchema, allow_none=True)
    answers = fields.Integer(allow_none=True)
    retracted_at = _time()
    retracted_by = fields.Nested(PersonSchema, allow_none=True)


class SessionHeadSchema(Schema):
    """A session without its steps."""

    external_id = fields.String()
    title = fields.String()
    problem = fields.String()
    category = fields.String(allow_none=True)
    client = fields.String(allow_none=True)
    asset = fields.String(allow_none=True)
    opened_at = _time()
    steps_count = fields.Integer()


class EditedSessionSchema(SessionHeadSchema):
    """A session after a correction, with the handoff whose version counts it."""

    handoff = fields.Nested(CardSchema)


class SessionSchema(SessionHeadSchema):
    """A session with its steps and handoffs."""

    steps = fields.List(fields.Nested(StoredStepSchema))
    handoffs = fields.List(fields.Nested(CardSchema))


class TimelineSchema(Schema):
    """Who did what when."""

    items = fields.List(fields.Dict())
    next_page = fields.String(allow_none=True)


class AccountSchema(Schema):
    """An account, by name."""

    id = fields.UUID()
    name = fields.String()


class LimitsSchema(Schema):
    """The minutes after which the age of a waiting handoff warns (amber) and alarms (red)."""

    amber_minutes = fields.Integer()
    red_minutes = fields.Integer()
    urgent_amber_minutes = fields.Integer()
    urgent_red_minutes = fields.Integer()


class MeSchema(Schema):
    """The caller."""

    id = fields.UUID()
    name = fields.String()
    role = fields.String()
    account = fields.Nested(AccountSchema)
    limits = fields.Nested(LimitsSchema)


class QuestionSessionSchema(Schema):
    """The session in which something is asked."""

    external_id = fields.String()
    title = fields.String()


class QuestionSchema(Schema):
    """A question that waits for an answer."""

    handoff_id = fields.UUID()
    session = fields.Nested(QuestionSessionSchema)
    step = fields.Integer()
    text = fields.String()
    asked_by = fields.Nested(PersonSchema)
    at = _time()


class QuestionsSchema(Schema):
    """The questions that wait for the caller, those that have waited longest first; at most 200."""

    items = fields.List(fields.Nested(QuestionSchema))
    next_page = fields.String(allow_none=True)


class NothingQuery(Schema):
    """No parameters."""


class PeriodQuery(Schema):
    """How far back the metrics go."""

    period = fields.String(required=True, validate=validate.OneOf(["7d", "30d", "90d"]))


class BreakdownQuery(PeriodQuery):
    """How far back, and by what."""

    by = one_of(Attribute, required=True)


class SpreadSchema(Schema):
    """Seconds; null when nobody had this time."""

    avg = fields.Float(allow_none=True)
    p50 = fields.Float(allow_none=True)
    p95 = fields.Float(allow_none=True)


class MetricsSchema(Schema):
    """The metrics of one group of handoffs."""

    n_handoffs = fields.Integer()
    n_ready = fields.Integer()
    n_claimed = fields.Integer()
    n_with_action = fields.Integer()
    time_to_ready = fields.Nested(SpreadSchema)
    time_to_claim = fields.Nested(SpreadSchema)
    time_to_first_action = fields.Nested(SpreadSchema)


class StateMetricsSchema(MetricsSchema):
    """The handoffs whose newest assessment is in one state; `none`: none was asked for."""

    assessment_state = fields.String(validate=validate.OneOf([*(state.value for state in State), "none"]))


class DayMetricsSchema(MetricsSchema):
    """The handoffs of one day in UTC."""

    day = fields.String(metadata={"format": "date"})


class EscalationsSchema(MetricsSchema):
    """The metrics of a period."""

    period = fields.String()
    since = _time()
    until = _time()
    by_assessment_state = fields.List(fields.Nested(StateMetricsSchema))
    by_day = fields.List(fields.Nested(DayMetricsSchema))
    metric_definition = fields.String()


class ValueMetricsSchema(MetricsSchema):
    """The handoffs with one value of an attribute; null: with none. For people it is their id."""

    value = fields.String(allow_none=True)
    name = fields.String(allow_none=True)


class BreakdownSchema(Schema):
    """The metrics of a period for each value of an attribute, the most frequent first, at most 50."""

    period = fields.String()
    by = one_of(Attribute)
    items = fields.List(fields.Nested(ValueMetricsSchema))


class SourceRatingsSchema(Schema):
    """How often the assessments of one assessor were given each rating."""

    source = fields.String(allow_none=True)
    helpful = fields.Integer()
    wrong = fields.Integer()
    incomplete = fields.Integer()


class RatingsSchema(Schema):
    """The ratings that were given in a period."""

    period = fields.String()
    items = fields.List(fields.Nested(SourceRatingsSchema))


class OpenNowSchema(Schema):
    """What is open of one priority. `waiting_since` is when the oldest of those that wait began to."""

    priority = one_of(Priority)
    waiting = fields.Integer()
    waiting_since = _time()
    claimed = fields.Integer()
    without_action = fields.Integer()


class NowSchema(Schema):
    """What is open at this moment, the most urgent priority first."""

    items = fields.List(fields.Nested(OpenNowSchema))
