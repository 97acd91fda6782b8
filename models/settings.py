"""All environment variables, read once into a frozen object; a bad value stops the start with a clear message."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from environs import Env, EnvError, ValidationError, validate

from models.addresses.postgres import Address, AddressError
from models.addresses.redis import RedisAddress, RedisAddressError


class SettingsError(SystemExit):
    """Raised for a missing or invalid variable. Printed as one line; the process exits."""


@dataclass(frozen=True)
class Settings:
    """The settings of the environment. Durations carry their unit in the name."""

    database: Address
    redis: RedisAddress
    installation: str
    statement_seconds: float
    secret_key: str | None = field(repr=False)
    previous_secret_key: str | None = field(repr=False)
    log_format: str
    assessor: str
    assess_deadline_seconds: float
    bulk_deadline_seconds: float
    bulk_rest: float
    batch_in_flight: int
    assess_attempts: int
    lease_seconds: float
    sweep_seconds: float
    worker_grace_seconds: float
    worker_deaf_seconds: float
    claim_lease_seconds: int
    amber_minutes: int
    red_minutes: int
    urgent_amber_minutes: int
    urgent_red_minutes: int
    waiting_reminder_seconds: int
    urgent_reminder_seconds: int
    feed_retention_days: int
    feed_retention_events: int
    idempotency_hours: int
    cors_origins: list[str]
    allowed_hosts: list[str]
    web_connections: int
    web_head_seconds: float
    web_body_seconds: float
    web_unread_seconds: float
    jwt_secret: str | None = field(repr=False)
    jwt_jwks_url: str | None
    jwt_audience: str | None
    jwt_issuer: str | None
    jwt_account_claim: str
    token_requests_per_minute: int
    account_requests_per_minute: int
    wrong_tokens_per_minute: int
    https_only: bool
    metrics_port: int | None
    redact: bool
    model_call_seconds: float
    openai_api_key: str | None = field(repr=False)
    openai_base_url: str | None
    openai_model: str
    anthropic_api_key: str | None = field(repr=False)
    anthropic_base_url: str | None
    anthropic_model: str
    model_max_prompt_tokens: int
    model_max_output_tokens: int
    embeddings: str
    embeddings_languages: list[str]
    price_in_per_million: float
    price_out_per_million: float
    model_concurrent_calls: int
    model_calls_per_minute: int
    model_tokens_per_day: int

    def redis_key(self, *parts: str) -> str:
        """Return a key in Redis, prefixed so that another installation on the same server uses another one."""
        return ":".join((self.installation, *parts))


class GivenEnv(Env):
    """environs, with empty variables treated as unset."""

    def _get_value(self, env_key: str, default: Any) -> Any:
        value = super()._get_value(env_key, default)
        return default if isinstance(value, str) and not value.strip() else value


def _long_enough(key: str | None) -> None:
    if key is not None and len(key) < 32:
        raise ValidationError("must be at least 32 characters")


def _is_http(url: str | None) -> None:
    if url is not None and not url.startswith(("https://", "http://")):
        raise ValidationError("must be an http or https address")


def _are_origins(origins: list[str]) -> None:
    if any(not origin.startswith(("https://", "http://")) or origin.count("/") != 2 for origin in origins):
        raise ValidationError("must be origins such as https://app.example.com, separated by commas")


def _address(url: str) -> Address:
    try:
        return Address.parse(url)
    except AddressError as error:
        raise SettingsError(f"settings: DATABASE_URL {error}") from error


def _redis(url: str) -> RedisAddress:
    try:
        return RedisAddress.parse(url)
    except RedisAddressError as error:
        raise SettingsError(f"settings: REDIS_URL {error}") from error


def _is_name(name: str | None) -> None:
    if name is not None and not re.fullmatch(r"[A-Za-z0-9_.-]{1,63}", name):
        raise ValidationError("must be 1 to 63 letters, digits, dots, dashes and underscores")


def _named_after(database: Address) -> str:
    """Derive the prefix of this installation's names in Redis."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", database.database or "escalation")[:63]


def _are_hosts(hosts: list[str]) -> None:
    if any(not re.fullmatch(r"\.?[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]", host) for host in hosts):
        raise ValidationError(
            "must be host names without scheme and port, separated by commas; .name for all below it"
        )


def _is_embedding(value: str) -> None:
    if value != "off" and not re.fullmatch(r"(?:onnx|fastembed|openai):\S.{0,1000}", value):
        raise ValidationError("must be off, onnx:FOLDER, fastembed:MODEL or openai:MODEL")


def _are_languages(codes: list[str]) -> None:
    if any(not re.fullmatch(r"\*|[a-z]{2,3}(?:-[A-Za-z]{2,8})?", code) for code in codes):
        raise ValidationError("must be codes such as en or de, separated by commas, or * for every language")


def _refuse_half_a_login(read: Settings) -> None:
    # With both, a token could choose how it is checked; without an audience, any other product's token would do.
    if read.jwt_secret and read.jwt_jwks_url:
        raise SettingsError("settings: give JWT_SECRET or JWT_JWKS_URL, not both")
    for kind in ("", "urgent_"):
        if getattr(read, f"{kind}amber_minutes") > getattr(read, f"{kind}red_minutes"):
            name = kind.upper()
            raise SettingsError(f"settings: {name}AMBER_MINUTES must not be above {name}RED_MINUTES")
    if (read.jwt_secret or read.jwt_jwks_url) and not read.jwt_audience:
        raise SettingsError("settings: JWT_AUDIENCE is required with JWT_SECRET or JWT_JWKS_URL")


_POSITIVE = validate.Range(min=0, min_inclusive=False)


def _read(env: Env) -> Settings:
    database = _address(env.str("DATABASE_URL"))
    return Settings(
        database=database,
        redis=_redis(env.str("REDIS_URL")),
        installation=env.str("INSTALLATION", None, validate=_is_name) or _named_after(database),
        statement_seconds=env.float("STATEMENT_SECONDS", 15, validate=validate.Range(min=1)),
        secret_key=env.str("SECRET_KEY", None, validate=_long_enough),
        previous_secret_key=env.str("SECRET_KEY_PREVIOUS", None),
        log_format=env.str("LOG_FORMAT", "json", validate=validate.OneOf(["json", "console"])),
        assess_deadline_seconds=env.float("ASSESS_DEADLINE_SECONDS", 120, validate=_POSITIVE),
        bulk_deadline_seconds=env.float("BULK_DEADLINE_SECONDS", 1800, validate=_POSITIVE),
        bulk_rest=env.float("BULK_REST", 0.5, validate=validate.Range(min=0)),
        batch_in_flight=env.int("BATCH_IN_FLIGHT", 32, validate=_POSITIVE),
        assess_attempts=env.int("ASSESS_ATTEMPTS", 4, validate=_POSITIVE),
        lease_seconds=env.float("LEASE_SECONDS", 15, validate=_POSITIVE),
        sweep_seconds=env.float("SWEEP_SECONDS", 5, validate=_POSITIVE),
        worker_grace_seconds=env.float("WORKER_GRACE_SECONDS", 5, validate=_POSITIVE),
        worker_deaf_seconds=env.float("WORKER_DEAF_SECONDS", 60, validate=_POSITIVE),
        claim_lease_seconds=env.int("CLAIM_LEASE_SECONDS", 1800, validate=_POSITIVE),
        amber_minutes=env.int("AMBER_MINUTES", 15, validate=_POSITIVE),
        red_minutes=env.int("RED_MINUTES", 60, validate=_POSITIVE),
        urgent_amber_minutes=env.int("URGENT_AMBER_MINUTES", 5, validate=_POSITIVE),
        urgent_red_minutes=env.int("URGENT_RED_MINUTES", 15, validate=_POSITIVE),
        waiting_reminder_seconds=env.int("WAITING_REMINDER_SECONDS", 900, validate=_POSITIVE),
        urgent_reminder_seconds=env.int("URGENT_REMINDER_SECONDS", 300, validate=_POSITIVE),
        feed_retention_days=env.int("FEED_RETENTION_DAYS", 14, validate=_POSITIVE),
        feed_retention_events=env.int("FEED_RETENTION_EVENTS", 50_000, validate=_POSITIVE),
        idempotency_hours=env.int("IDEMPOTENCY_HOURS", 24, validate=_POSITIVE),
        **_of_web(env),
        **_of_models(env),
    )


def _of_web(env: Env) -> dict[str, Any]:
    """Read what the web processes need: who may ask, how much, and how tokens of other issuers are checked."""
    return {
        "cors_origins": env.list("CORS_ORIGINS", [], validate=_are_origins),
        "allowed_hosts": env.list("ALLOWED_HOSTS", [], validate=_are_hosts),
        "web_connections": env.int("WEB_CONNECTIONS", 1000, validate=_POSITIVE),
        "web_head_seconds": env.float("WEB_HEAD_SECONDS", 10, validate=_POSITIVE),
        "web_body_seconds": env.float("WEB_BODY_SECONDS", 60, validate=_POSITIVE),
        "web_unread_seconds": env.float("WEB_UNREAD_SECONDS", 30, validate=_POSITIVE),
        "jwt_secret": env.str("JWT_SECRET", None, validate=_long_enough),
        "jwt_jwks_url": env.str("JWT_JWKS_URL", None, validate=_is_http),
        "jwt_audience": env.str("JWT_AUDIENCE", None),
        "jwt_issuer": env.str("JWT_ISSUER", None),
        "jwt_account_claim": env.str("JWT_ACCOUNT_CLAIM", "account_id"),
        "token_requests_per_minute": env.int("TOKEN_REQUESTS_PER_MINUTE", 30_000, validate=_POSITIVE),
        "account_requests_per_minute": env.int("ACCOUNT_REQUESTS_PER_MINUTE", 120_000, validate=_POSITIVE),
        "wrong_tokens_per_minute": env.int("WRONG_TOKENS_PER_MINUTE", 300, validate=_POSITIVE),
        "https_only": env.bool("HTTPS_ONLY", False),
        "metrics_port": env.int("METRICS_PORT", None, validate=validate.Range(1, 65535)),
    }


def _of_models(env: Env) -> dict[str, Any]:
    """Read which models write assessments and compare cases, and what they may cost."""
    return {
        "assessor": env.str("ASSESSOR", "extractive", validate=validate.OneOf(["extractive", "openai", "anthropic"])),
        "redact": env.bool("REDACT", True),
        "model_call_seconds": env.float("MODEL_CALL_SECONDS", 45, validate=_POSITIVE),
        "openai_api_key": env.str("OPENAI_API_KEY", None),
        "openai_base_url": env.str("OPENAI_BASE_URL", None),
        "openai_model": env.str("OPENAI_MODEL", "gpt-5-mini"),
        "anthropic_api_key": env.str("ANTHROPIC_API_KEY", None),
        "anthropic_base_url": env.str("ANTHROPIC_BASE_URL", None),
        "anthropic_model": env.str("ANTHROPIC_MODEL", "claude-haiku-4-5"),
        "model_max_prompt_tokens": env.int("MODEL_MAX_PROMPT_TOKENS", 12_000, validate=validate.Range(min=6000)),
        "model_max_output_tokens": env.int("MODEL_MAX_OUTPUT_TOKENS", 8000, validate=_POSITIVE),
        "embeddings": env.str("EMBEDDINGS", "off", validate=_is_embedding),
        "embeddings_languages": env.list("EMBEDDINGS_LANGUAGES", ["en"], validate=_are_languages),
        "price_in_per_million": env.float("PRICE_IN_PER_MILLION", 0.0),
        "price_out_per_million": env.float("PRICE_OUT_PER_MILLION", 0.0),
        "model_concurrent_calls": env.int("MODEL_CONCURRENT_CALLS", 8, validate=_POSITIVE),
        "model_calls_per_minute": env.int("MODEL_CALLS_PER_MINUTE", 120, validate=_POSITIVE),
        "model_tokens_per_day": env.int("MODEL_TOKENS_PER_DAY", 5_000_000, validate=_POSITIVE),
    }


@cache
def settings() -> Settings:
    """Return the settings of this process. SettingsError names the variable and what is wrong with it."""
    try:
        read = _read(GivenEnv())
    except EnvError as error:
        raise SettingsError(f"settings: {error}") from error
    _refuse_half_a_login(read)
    return read


def require_secret_key() -> str:
    """Return the key that signs sessions. Commands do without it; the web application must not start without one."""
    key = settings().secret_key
    if key is None:
        raise SettingsError("settings: SECRET_KEY is required to serve requests (at least 32 characters)")
    return key
