"""A service as small as `make run` allows, so that its tests are about deploy/ alone."""

from __future__ import annotations

import json
import os
from contextlib import closing
from typing import Any

import click
import psycopg2
from flask import Flask
from flask.cli import AppGroup

app = Flask(__name__)
db = AppGroup("db")
app.cli.add_command(db)


def query(statement: str) -> list[Any]:
    with closing(psycopg2.connect(os.environ["DATABASE_URL"], connect_timeout=1)) as link:
        link.autocommit = True
        with link.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []


@app.get("/readyz")
def readyz() -> dict[str, Any]:
    return {"login": query("SELECT session_user::text")[0][0], "assessor": os.environ.get("ASSESSOR")}


@db.command("upgrade")
def upgrade() -> None:
    query("CREATE TABLE IF NOT EXISTS demo (account text)")
    if not query("SELECT 1 FROM pg_roles WHERE rolname = 'escalation_app'"):
        query("CREATE ROLE escalation_app; CREATE ROLE escalation_upkeep")


@app.cli.command("demo")
@click.option("--json", "as_json", is_flag=True, required=True)
@click.option("--new-tokens", is_flag=True)
def demo(as_json: bool, new_tokens: bool) -> None:
    first = not query("SELECT 1 FROM demo")
    if first:
        query("INSERT INTO demo VALUES (gen_random_uuid())")
    account = query("SELECT account FROM demo")[0][0]
    tokens = {name: os.urandom(8).hex() for name in ("junior", "senior", "senior2", "admin", "viewer")}
    click.echo(json.dumps({"account": account, "tokens": tokens if first or new_tokens else {}}))
