"""Reference pages generated from the code: `make reference` writes them to docs/reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.testing import CliRunner

from api.cli.evaluation import evaluate
from models.settings import _read
from tests.real_data import SAMPLE
from tests.stack import ROOT

FOLDER = ROOT / "docs/reference"
EVALUATION = ROOT / "docs/how-to/evaluate-an-assessor.md"
EXAMPLE = ("<!-- example: written by `make reference` -->", "<!-- end of the example -->")
MARK = "<!-- Written by `make reference`; do not edit. -->\n"

# Each variable's meaning, in the order of the page. A test refuses one that is missing here or no longer read.
MEANINGS: dict[str, dict[str, str]] = {
    "The installation": {
        "DATABASE_URL": "PostgreSQL 15 or newer, as the login of the service",
        "REDIS_URL": "`redis://`, `rediss://` or `unix://`; "
        "[the options](../how-to/deploy.md#give-it-one-redis-server)",
        "INSTALLATION": "the prefix of every name in Redis; by default the database's name",
        "SECRET_KEY": "signs cookies, cursors and page tokens; at least 32 characters; needed to serve requests",
        "SECRET_KEY_PREVIOUS": "the key before a rotation, whose signatures are still accepted",
        "LOG_FORMAT": "`json`, or `console` for people",
        "STATEMENT_SECONDS": "PostgreSQL's limit for a statement; a connection silent for 2 s longer is closed",
    },
    "The web process": {
        "ALLOWED_HOSTS": "names of the service, separated by commas; `.example.com` stands for all below it",
        "CORS_ORIGINS": "origins whose pages may call the API, separated by commas",
        "HTTPS_ONLY": "treat every request as HTTPS, whatever the proxy says",
        "METRICS_PORT": "a port that serves `/metrics` and nothing else",
        "WEB_CONNECTIONS": "connections of clients per process",
        "WEB_HEAD_SECONDS": "limit for the head of a request to arrive",
        "WEB_BODY_SECONDS": "limit for a request with a body to arrive",
        "WEB_UNREAD_SECONDS": "a client that reads nothing of its response for this long is disconnected",
    },
    "Signing in": {
        "JWT_SECRET": "the secret of the main product's tokens (HS256); or use JWT_JWKS_URL",
        "JWT_JWKS_URL": "the public keys of the main product's tokens",
        "JWT_AUDIENCE": "the audience that a token must name; required with either of them",
        "JWT_ISSUER": "the issuer that a token must name",
        "JWT_ACCOUNT_CLAIM": "the claim that holds the account's id",
    },
    "Limits": {
        "TOKEN_REQUESTS_PER_MINUTE": "requests of one token",
        "ACCOUNT_REQUESTS_PER_MINUTE": "requests of one account",
        "WRONG_TOKENS_PER_MINUTE": "wrong tokens from one address (IPv6: one /64); then unknown tokens are 429",
    },
    "Retention": {
        "FEED_RETENTION_DAYS": "how long events are kept in the feed; then they are in the audit",
        "FEED_RETENTION_EVENTS": "the most events kept in the feed of an account",
        "IDEMPOTENCY_HOURS": "how long the answer to an Idempotency-Key is repeated",
        "CLAIM_LEASE_SECONDS": "a claim without a first action is released after this; accounts may differ",
        "WAITING_REMINDER_SECONDS": "until the first reminder of a handoff that nobody takes; the third and last "
        "comes after four times as long; accounts may differ",
        "URGENT_REMINDER_SECONDS": "the same for an urgent one",
    },
    "Age of a waiting handoff": {
        "AMBER_MINUTES": "when its age warns; accounts may differ, as in the other three",
        "RED_MINUTES": "when its age alarms",
        "URGENT_AMBER_MINUTES": "when the age of an urgent one warns",
        "URGENT_RED_MINUTES": "when the age of an urgent one alarms",
    },
    "Assessments": {
        "ASSESSOR": "`extractive` (offline), `openai` or `anthropic`",
        "ASSESS_DEADLINE_SECONDS": "from acceptance; then the offline assessor writes it, with the reason `deadline`",
        "BULK_DEADLINE_SECONDS": "the same for bulk work",
        "ASSESS_ATTEMPTS": "tries of a model; then the offline assessor",
        "MODEL_CALL_SECONDS": "all tries of one attempt together",
        "LEASE_SECONDS": "the work of a killed worker is taken over after this and one sweep",
        "SWEEP_SECONDS": "how often beat asks for a sweep; after three missed ones a worker sweeps unasked",
        "BATCH_IN_FLIGHT": "assessments of all batches that wait or run at a time",
        "BULK_REST": "share of its working time for which a thread of a bulk worker rests afterwards",
        "WORKER_GRACE_SECONDS": "a stopping worker returns to the queue what it has not finished after this",
        "WORKER_DEAF_SECONDS": "a worker that receives none of its own pings for this long exits",
    },
    "Models": {
        "OPENAI_API_KEY": "for `ASSESSOR=openai`",
        "OPENAI_BASE_URL": "any server that speaks OpenAI's chat completions",
        "OPENAI_MODEL": "the model",
        "ANTHROPIC_API_KEY": "for `ASSESSOR=anthropic`",
        "ANTHROPIC_BASE_URL": "another address of Anthropic's API",
        "ANTHROPIC_MODEL": "the model",
        "REDACT": "replace personal data and secrets before anything is sent",
        "MODEL_MAX_PROMPT_TOKENS": "the longest prompt, 6000 or more; a token is a digit or three other bytes",
        "MODEL_MAX_OUTPUT_TOKENS": "the longest reply with a model's reasoning; without it, none needs over 6500",
        "MODEL_CONCURRENT_CALLS": "calls of one account at a time",
        "MODEL_CALLS_PER_MINUTE": "calls of one account",
        "MODEL_TOKENS_PER_DAY": "tokens of one account",
        "EMBEDDINGS": "what past cases are compared by besides words: `off`, `onnx:FOLDER`, `fastembed:MODEL` or "
        "`openai:MODEL`; [how](../how-to/use-a-model.md#compare-past-cases-by-meaning)",
        "EMBEDDINGS_LANGUAGES": "languages that this model knows, separated by commas; `*` for every one",
        "PRICE_IN_PER_MILLION": "price of a million tokens sent, for the cost that is stored",
        "PRICE_OUT_PER_MILLION": "price of a million tokens received",
    },
}


# Read before the settings, by what starts a process: default and meaning.
STARTING = {
    "HOST": ("127.0.0.1", "the address that the web process listens on, when it is an IP address or `localhost`"),
    "PORT": ("8000", "its port"),
    "WEB_CONCURRENCY": ("2", "web processes"),
    "WEB_THREADS": ("16", "threads of Flask in each of them"),
    "BULK_THREADS": ("1, with a model 8", "threads of the bulk worker under `make run`; 1 in the examples"),
    "DATABASE_POOL": ("20", "connections to PostgreSQL per process"),
    "ADMIN_DATABASE_URL": ("none", "an administrator's address, for `python -m deploy.production.database owner`"),
    "SERVICE_PASSWORD": ("none", "the password of the service's login, for `python -m deploy.production.database`"),
    "FORWARDED_ALLOW_IPS": (
        "127.0.0.1,::1",
        "proxies whose `X-Forwarded-For` counts: addresses or networks, separated by commas; read by gunicorn",
    ),
    "PROMETHEUS_MULTIPROC_DIR": ("none", "a folder in which the processes of a host share their metrics"),
}


class Recorder:
    """A stand-in for the environment: records which variables are read and returns their defaults."""

    def __init__(self) -> None:
        self.read: dict[str, Any] = {}

    def __getattr__(self, kind: str) -> Any:
        return self._note

    def _note(self, name: str, default: Any = None, **_: Any) -> Any:
        self.read[name] = ADDRESSES.get(name, default)
        return self.read[name]


ADDRESSES = {"DATABASE_URL": "postgresql://database/name", "REDIS_URL": "redis://redis"}


def settings_read() -> dict[str, Any]:
    """Every variable that the service reads, with its default; None: there is none."""
    recorder = Recorder()
    _read(recorder)  # type: ignore[arg-type]
    return recorder.read


def settings_page() -> str:
    """docs/reference/settings.md."""
    defaults = settings_read()
    lines = [
        "# Settings",
        "",
        MARK,
        "Environment variables. An empty one counts as unset; an invalid one stops the start with a clear message.",
    ]
    for title, variables in MEANINGS.items():
        lines += ["", f"## {title}", "", "| variable | default | meaning |", "|---|---|---|"]
        lines += [
            f"| `{name}` | {_default(name, defaults[name])} | {meaning} |" for name, meaning in variables.items()
        ]
    lines += ["", "## The processes", "", "Read by what starts the processes, and by its libraries.", ""]
    lines += ["| variable | default | meaning |", "|---|---|---|"]
    lines += [f"| `{name}` | {default} | {meaning} |" for name, (default, meaning) in STARTING.items()]
    return "\n".join([*lines, ""])


def _default(name: str, value: Any) -> str:
    if name in ADDRESSES:
        return "required"
    if value is None or value == []:
        return "none"
    if isinstance(value, list):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def cli_page(commands: dict[str, click.Command]) -> str:
    """docs/reference/cli.md."""
    lines = [
        "# Command line",
        "",
        MARK,
        "`flask COMMAND --help` says the same. A command that fails prints one line and exits with status 1.",
    ]
    for name, command in sorted(commands.items()):
        lines += _described(f"flask {name}", command)
    return "\n".join(lines)


def _described(name: str, command: click.Command) -> list[str]:
    if isinstance(command, click.Group):
        head = ["", f"## {name}", "", (command.help or "").strip()]
        return [*head, *(line for each in sorted(command.commands) for line in _of_group(name, command, each))]
    depth = "##" if name.count(" ") == 1 else "###"
    context = click.Context(command, info_name=name)
    help_text = click.formatting.HelpFormatter(width=100)
    command.format_usage(context, help_text)
    command.format_help_text(context, help_text)
    command.format_options(context, help_text)
    return ["", f"{depth} {name}", "", "```", help_text.getvalue().rstrip(), "```"]


def _of_group(name: str, group: click.Group, each: str) -> list[str]:
    return _described(f"{name} {each}", group.commands[each])


def evaluation_page(page: str) -> str:
    """docs/how-to/evaluate-an-assessor.md with the output of its example, without what differs from run to run."""
    path = SAMPLE / "history.jsonl"
    result = CliRunner().invoke(evaluate, [str(path), "--assessor", "extractive"], catch_exceptions=False)
    shown = "\n".join(line for line in result.stdout.splitlines() if "latency" not in line)
    before, begin, rest = page.partition(EXAMPLE[0])
    _, end, after = rest.partition(EXAMPLE[1])
    return f"{before}{begin}\n\n{shown}\n\n{end}{after}"


def own_commands(app: Any) -> dict[str, click.Command]:
    """The commands of the service, without those that Flask brings."""
    return dict(app.cli.commands)


def main() -> None:
    """Write the pages."""
    from wsgi import app

    FOLDER.mkdir(exist_ok=True)
    Path(FOLDER, "settings.md").write_text(settings_page())
    Path(FOLDER, "cli.md").write_text(cli_page(own_commands(app)))
    EVALUATION.write_text(evaluation_page(EVALUATION.read_text()))


if __name__ == "__main__":
    main()
