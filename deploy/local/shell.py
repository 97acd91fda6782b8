"""Open a shell, or run one command, with the addresses and keys of the stack in .local/."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from deploy.local.servers import forget_libpq
from models.addresses.postgres import Address, AddressError


def environment(folder: Path) -> dict[str, str]:
    """Return our environment with DATABASE_URL (the owner's), REDIS_URL, SECRET_KEY, and this Python first on PATH.

    Variables that are already set stay, except libpq's if the database is in our own server. Raise OSError if
    nothing was ever run here.
    """
    facts = json.loads((folder / "demo.json").read_text())
    stack = {"DATABASE_URL": facts["database_url"], "REDIS_URL": facts["redis_url"]}
    stack["SECRET_KEY"] = (folder / "secret_key").read_text()
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    made = {**stack, **os.environ, "PATH": path}
    if is_own(folder, made["DATABASE_URL"]):
        forget_libpq(made)
    return made


def is_own(folder: Path, url: str) -> bool:
    """Whether this is an address of the server that `make run` keeps in the folder."""
    try:
        port = json.loads((folder / "postgres" / "postgres.json").read_text())["port"]
        parts = Address.parse(url).parts
    except (OSError, AddressError):
        return False
    return (parts.get("host"), parts.get("port")) == ("127.0.0.1", str(port))


def main() -> None:
    """Replace this process with the given command, or with the user's shell."""
    command = sys.argv[1:] or [os.environ.get("SHELL") or "/bin/sh"]
    try:
        variables = environment(Path(".local"))
    except OSError:
        sys.exit("nothing has run here yet: start `make run` in another terminal first")
    os.execvpe(command[0], command, variables)


if __name__ == "__main__":
    main()
