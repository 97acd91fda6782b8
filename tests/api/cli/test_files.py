"""Files of the command line: every kind of path, and every kind of content."""

from __future__ import annotations

import gzip
import io
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from click.testing import Result
from flask import Flask

from tests import world as worlds
from tests.api.cli.imports import Imports, past
from tests.servers import Servers
from tests.stack import ROOT, wait_for
from tests.world import World


@pytest.fixture
def imports(app: Flask, world: World, tmp_path: Path) -> Imports:
    return Imports(app, world, tmp_path)


@pytest.fixture
def one(imports: Imports) -> Imports:
    """An account with one handoff to export."""
    imports.world.junior.hand_off("T-1", title="Drucker fällt aus 日本")
    return imports


def export(imports: Imports, path: Path | str) -> Result:
    account = str(imports.world.account_id)
    return imports.app.test_cli_runner().invoke(args=["handoffs", "export", "--account", account, "-o", str(path)])


def is_whole(text: str) -> bool:
    return [json.loads(line)["session"]["title"] for line in text.splitlines()] == ["Drucker fällt aus 日本"]


def test_a_link_is_followed_and_the_file_keeps_its_mode(one: Imports) -> None:
    target, link = one.folder / "target.jsonl", one.folder / "link"
    target.write_text("before")
    target.chmod(0o640)
    link.symlink_to(target)
    assert export(one, link).exit_code == 0
    assert link.is_symlink()
    assert is_whole(target.read_text())
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert sorted(path.name for path in one.folder.iterdir()) == ["link", "target.jsonl"]


def test_a_link_to_nothing_makes_what_it_names(one: Imports) -> None:
    (one.folder / "link").symlink_to("later.jsonl")
    assert export(one, one.folder / "link").exit_code == 0
    assert is_whole((one.folder / "later.jsonl").read_text())


def test_every_name_of_a_file_shows_the_new_content(one: Imports) -> None:
    target, other = one.folder / "target", one.folder / "other"
    target.write_text("much longer than what is written now " * 100)
    os.link(target, other)
    assert export(one, target).exit_code == 0
    assert target.samefile(other)
    assert is_whole(other.read_text())


def test_a_new_file_has_the_usual_mode(one: Imports) -> None:
    before = os.umask(0o027)
    try:
        assert export(one, one.folder / "new.jsonl").exit_code == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE((one.folder / "new.jsonl").stat().st_mode) == 0o640


def test_a_file_keeps_its_owner(one: Imports) -> None:
    target = one.folder / "target"
    target.write_text("before")
    owner = (4711, 4712) if os.geteuid() == 0 else (os.geteuid(), os.getgroups()[-1])
    os.chown(target, *owner)
    assert export(one, target).exit_code == 0
    assert (target.stat().st_uid, target.stat().st_gid) == owner


def test_a_device_stays_what_it_is(one: Imports) -> None:
    assert export(one, "/dev/null").exit_code == 0
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_a_pipe_with_a_name_is_written_to(one: Imports) -> None:
    pipe = one.folder / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    assert export(one, pipe).exit_code == 0
    reader.join()
    assert is_whole(read[0])
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/dev/full", "No space left on device"),
        ("{folder}", "Is a directory"),
        ("{folder}/none/x.jsonl", "No such file or directory"),
        ("{folder}/file/x.jsonl", "Not a directory"),
        ("{folder}/" + "x" * 300, "File name too long"),
        ("", "Is a directory"),
    ],
)
def test_what_cannot_be_written_is_one_line(one: Imports, path: str, reason: str) -> None:
    (one.folder / "file").write_text("kept")
    failed = export(one, path.format(folder=one.folder))
    assert failed.exit_code == 1
    assert reason in failed.stderr
    assert len(failed.stderr.splitlines()) == 1
    assert [(file.name, file.read_text()) for file in one.folder.iterdir()] == [("file", "kept")]


@pytest.fixture
def process(servers: Servers, committed: str) -> Any:
    """Runs a command as a process of its own, on a database with one handoff to export."""
    from wsgi import app

    made = worlds.create(app.test_client())
    made.junior.hand_off("T-1", title="Drucker fällt aus 日本")

    def start(*arguments: str, **more: Any) -> subprocess.Popen[bytes]:
        environment = {**os.environ, **servers.environment(committed), **more.pop("variables", {})}
        command = [sys.executable, "-m", "flask", "--app", "wsgi", *arguments, "--account", str(made.account_id)]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        return subprocess.Popen(command, cwd=ROOT, env=environment, **streams)

    return start


LATIN = {"PYTHONIOENCODING": "latin-1", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def test_data_is_utf_8_whatever_the_locale(process: Any, tmp_path: Path) -> None:
    out, errors = process("handoffs", "export", variables=LATIN).communicate(timeout=60)
    assert is_whole(out.decode()), errors
    bad = tmp_path / "bad.jsonl"
    bad.write_text(json.dumps(past(1) | {"日本": 1}, ensure_ascii=False) + "\n")
    loaded = process("handoffs", "import", str(bad), "--errors", str(tmp_path / "errors"), variables=LATIN)
    out, errors = loaded.communicate(timeout=60)
    assert loaded.returncode == 1
    assert b"Traceback" not in errors
    assert "日本" in (tmp_path / "errors").read_text(encoding="utf-8")


def test_a_full_disk_behind_standard_output_is_one_line(process: Any) -> None:
    with Path("/dev/full").open("wb") as full:
        failed = process("handoffs", "export", stdout=full)
        _, errors = failed.communicate(timeout=60)
    assert failed.returncode == 1
    assert errors.decode().splitlines()[-1] == "Error: No space left on device"
    assert b"Exception ignored" not in errors


def test_who_reads_no_further_gets_no_complaint(process: Any) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ended = process("handoffs", "export", stdout=writing)
    os.close(writing)
    _, errors = ended.communicate(timeout=60)
    assert b"Traceback" not in errors
    assert b"Exception ignored" not in errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_leaves_nothing_half_written(
    process: Any, servers: Servers, committed: str, tmp_path: Path, number: signal.Signals
) -> None:
    target = tmp_path / "target.jsonl"
    target.write_text("before")
    with closing(psycopg2.connect(servers.postgres.url(committed))) as other:
        other.cursor().execute("LOCK TABLE session_steps")  # the export waits for it
        exporting = process("handoffs", "export", "-o", str(target))
        wait_for(lambda: list(tmp_path.glob(".export-*")), "the export to begin", process=exporting)
        exporting.send_signal(number)
        exporting.communicate(timeout=60)
    assert exporting.returncode != 0
    assert [path.name for path in tmp_path.iterdir()] == ["target.jsonl"]
    assert target.read_text() == "before"


def test_standard_input_and_pipes_are_read_packed_or_not(process: Any, tmp_path: Path) -> None:
    lines = b"".join(json.dumps(past(n)).encode() + b"\n" for n in range(300))
    for data, added in ((lines, b"300 added"), (gzip.compress(lines), b"300 there before")):
        loading = process("handoffs", "import", "-", stdin=subprocess.PIPE)
        out, errors = loading.communicate(data, timeout=60)
        assert added in out, errors
    os.mkfifo(tmp_path / "pipe")
    loading = process("handoffs", "import", str(tmp_path / "pipe"))
    (tmp_path / "pipe").write_bytes(lines)
    out, errors = loading.communicate(timeout=60)
    assert b"300 there before" in out, errors


def archive() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("history.jsonl", json.dumps(past(1)))
    return packed.getvalue()


LINES = json.dumps(past(1)) + "\n" + json.dumps(past(2)) + "\n"
TABLE = "id,created_at,title\n1,2025-01-01,Printer\n2,2025-01-02,VPN\n"
FORMATS = {
    "utf-16": (LINES.encode("utf-16"), "UTF-16"),
    "utf-16 without its mark": (LINES.encode("utf-16-le"), "UTF-16"),
    "utf-16 the other way": (LINES.encode("utf-16-be"), "UTF-16"),
    "a table": (TABLE.encode(), "CSV"),
    "a table with a mark": (b"\xef\xbb\xbf" + TABLE.replace(",", ";").encode(), "CSV"),
    "a table with tabs": (TABLE.replace(",", "\t").encode(), "CSV"),
    "an array": (json.dumps([past(1), past(2)]).encode(), "JSON array"),
    "an array over lines": (json.dumps([past(1), past(2)], indent=2).encode(), "JSON array"),
    "an object over lines": (json.dumps(past(1), indent=2).encode(), "over several lines"),
    "an object over lines, packed": (gzip.compress(json.dumps(past(1), indent=2).encode()), "over several lines"),
    "an archive": (archive(), "ZIP"),
    "a page": (b"<!DOCTYPE html>\n<html><body>Sign in</body></html>", "HTML or XML"),
    "xml": (b'<?xml version="1.0"?>\n<tickets/>', "HTML or XML"),
    "a document": (b"%PDF-1.7\n%\xe2\xe3\n", "PDF"),
    "zeros": (b"ticket\x00" * 100, "no text"),
    "xz": (b"\xfd7zXZ\x00\x00\x04", "xz"),
}


@pytest.mark.parametrize("what", FORMATS)
def test_what_holds_no_json_lines_is_named_once_and_nothing_is_loaded(imports: Imports, what: str) -> None:
    content, name = FORMATS[what]
    path = imports.folder / "h.jsonl"
    path.write_bytes(content)
    refused = imports.run(path)
    assert refused.exit_code == 1
    assert name in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert imports.count() == 0


def test_lines_among_bad_ones_are_loaded_all_the_same(imports: Imports) -> None:
    for n, first in enumerate((b"not JSON", b"[]", b"[1]", b"{", b'"x"', b"a, b, c", b"null")):
        loaded = imports.run(imports.file(first, past(n)))
        assert "line 1: " in loaded.stderr
        assert "1 added" in loaded.output, first


def test_an_empty_file_is_no_error(imports: Imports) -> None:
    loaded = imports.run(imports.file())
    assert (loaded.exit_code, "0 lines" in loaded.output) == (0, True)
