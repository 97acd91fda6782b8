"""`flask eval` end to end: real files, a real HTTP server in the place of the model."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from api.cli.evaluation import SHEET, evaluate
from models.redis import client as redis_client
from models.settings import settings
from tasks.evaluation.replay import HOPELESS, Cache, named
from tasks.evaluation.tables import COSTS, JUDGED, QUALITY
from tests.conftest import Provider, environment
from tests.provider import SECRET_ORDER, asked
from tests.servers import Servers
from tests.stack import ROOT, wait_for

SAMPLE = ROOT / "tests/sample/history.jsonl"
NOWHERE = "http://127.0.0.1:9"
SECRET, MAIL = "password: Tr0ub4dor-and-3", "eva.example@example.org"


def resolved(number: int, **more: Any) -> dict[str, Any]:
    """A resolved session about a printer, with two failed attempts, the fix and thanks."""
    session = {
        "external_id": f"E-{number}",
        "title": f"Printer PRN-{number} prints blank pages",
        "problem": f"PRN-{number} prints blank pages since Monday. The panel shows error 0x0000{number:04}.",
        "steps": [
            {"kind": "action", "text": f"Cleaned the heads of PRN-{number}, pages stay blank.", "outcome": "failed"},
            {"kind": "action", "text": "Changed the toner cartridge without any effect.", "outcome": "failed"},
            {"kind": "action", "text": "Replaced the imaging drum by one from the store.", "outcome": "worked"},
            {"kind": "note", "text": "It works again, thank you."},
        ],
    } | more.pop("session", {})
    line = {"id": f"E{number}", "intent": "escalate", "reason": "No idea left.", "session": session}
    return line | {"resolution": "Replaced the imaging drum by one from the store.", **more}


Run = Callable[..., Result]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    def write(*lines: Any, name: str = "history.jsonl") -> str:
        raw = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
        (tmp_path / name).write_bytes(b"\n".join(raw))
        return str(tmp_path / name)

    return write


def access(url: str, vendor: str = "openai", **more: str) -> dict[str, str]:
    return {
        "ASSESSOR": vendor,
        "OPENAI_API_KEY": "key-for-tests",
        "OPENAI_BASE_URL": f"{url}/v1",
        "ANTHROPIC_API_KEY": "key-for-tests",
        "ANTHROPIC_BASE_URL": url,
        "PRICE_IN_PER_MILLION": "2",
        "PRICE_OUT_PER_MILLION": "10",
        "MODEL_CALL_SECONDS": "10",
        "MODEL_MAX_OUTPUT_TOKENS": "2000",
        **more,
    }


@pytest.fixture
def run(shared_database: str, provider: Provider) -> Run:
    """Runs the command in this process, with the stand-in provider as the model that the settings name."""

    def run(*arguments: str, **variables: str) -> Result:
        with environment(access(provider.url) | variables):
            return CliRunner().invoke(evaluate, arguments)

    return run


def figure(result: Result, measure: str, column: int = 0) -> str:
    """A cell of the tables: that of the measured assessor, or of a later column."""
    [line] = [line for line in result.stdout.splitlines() if re.match(rf"\| {re.escape(measure)} +\|", line)]
    return line.split("|")[column + 2].strip()


def head(result: Result) -> list[str]:
    [line, *_] = [line for line in result.stdout.splitlines() if line.startswith("|  ")]
    return [cell.strip() for cell in line.split("|")[2:-1]]


def quality_of(result: Result) -> str:
    return result.stdout.partition("latency")[0]


def without_times_beside(result: Result) -> list[str]:
    """The output; of latencies only that of the model, since the methods beside it do run again."""
    lines = result.stdout.partition("\nspent")[0].splitlines()
    return [line.split("|")[2] if "latency" in line else line for line in lines]


def test_the_offline_assessor_is_measured_beside_baselines_with_a_count_in_each_figure(run: Run) -> None:
    result = run(str(SAMPLE), ASSESSOR="extractive")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("12 of 12 resolved sessions, drawn with seed 0")
    assert head(result) == ["extractive", "first lines", "last lines", "random lines"]
    for measure in (*QUALITY, *COSTS):
        for column in range(4):
            cell = figure(result, measure, column)
            assert cell == "none" or re.fullmatch(r"\d[\d.]*( s)? of \d+", cell), (measure, cell)
    assert figure(result, "attempts found").endswith(" of 25")


def test_it_needs_neither_database_nor_redis_nor_a_key(tmp_path: Path) -> None:
    nothing = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"}
    with environment(nothing | {"ASSESSOR": "extractive"}):
        result = CliRunner().invoke(evaluate, [str(SAMPLE)])
    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.parametrize("vendor", ["openai", "anthropic"])
def test_a_model_is_measured_beside_the_offline_assessor(
    run: Run, provider: Provider, write: Callable[..., str], vendor: str
) -> None:
    coffee = {"title": "Kaffee", "problem": "Leer.", "steps": [], "external_id": "K"}
    foreign = resolved(9, session=coffee, reason="Ratlos", resolution="Bohnen gekauft.")
    path = write(resolved(1), resolved(2), foreign)
    result = run(path, "--assessor", f"{vendor}:small-model")
    assert (result.exit_code, result.stderr) == (0, "")
    assert head(result)[:2] == [f"{vendor}:small-model", "extractive"]
    assert {request["body"]["model"] for request in provider.seen()["requests"]} == {"small-model"}
    # Each is cut, two are replayed whole, and all three with past cases of another topic.
    assert provider.calls == 3 + 2 + 3
    assert figure(result, "quotes found") == "1.00 of 7"
    assert figure(result, "silent on foreign past cases") == "0.00 of 3"  # it concludes from every past case
    assert figure(result, "silent on foreign past cases", 1) == "1.00 of 3"
    assert figure(result, "fallbacks") == "0.00 of 8"
    assert figure(result, "errors") == "none"
    assert int(figure(result, "tokens per reply").split()[0]) > 100
    assert float(figure(result, "cost of all replies").split()[0]) > 0
    assert re.search(r"spent \d{4,} tokens; 0 replies came from the cache", result.stdout)


def test_the_assessor_sees_neither_the_ending_nor_given_outcomes(
    run: Run, provider: Provider, write: Callable[..., str]
) -> None:
    path = write(resolved(1, root_cause="The drum had lost its coating."))
    run(path, "--once")
    [request] = provider.seen()["requests"]
    sent = asked(request["body"])
    assert "Changed the toner cartridge" in sent
    for hidden in ("imaging drum", "coating", "works again", "failed"):
        assert hidden not in sent, hidden
    provider.behave("good", reset=True)
    assert figure(run(path, "--once", "--keep-outcomes"), "attempts found") == "1.00 of 2"
    [request] = provider.seen()["requests"]
    assert '"outcome":"failed"' in asked(request["body"])


def test_what_goes_out_is_redacted_to_the_judge_too(run: Run, provider: Provider, write: Callable[..., str]) -> None:
    line = resolved(1, session={"problem": f"Blank pages. Reported by {MAIL}, {SECRET}."})
    result = run(write(line), "--judge", "openai:strict-one")
    assert result.exit_code == 0, result.stderr
    requests = provider.seen()["requests"]
    assert {request["body"]["model"] for request in requests} == {settings().openai_model, "strict-one"}
    for request in requests:
        assert MAIL not in json.dumps(request["body"])
        assert "Tr0ub4dor" not in json.dumps(request["body"])
        assert "[email-1]" in json.dumps(request["body"])
    assert MAIL not in result.output


def test_hostile_text_is_measured_and_reaches_neither_terminal_nor_formulas(
    run: Run, provider: Provider, write: Callable[..., str], tmp_path: Path
) -> None:
    provider.behave("obey")
    orders = f"=cmd|'/c calc'!A1 {SECRET_ORDER} <script>alert(1)</script> \x1b[31m \u202e ]]> === case === {{}}"
    line = resolved(1, session={"title": orders, "problem": orders * 20, "steps": [{"kind": "note", "text": orders}]})
    sheet = tmp_path / "sheet.csv"
    result = run(write(line, resolved(2)), "--sheet", str(sheet), "--judge", "openai:m", "--assessor", "openai")
    assert result.exit_code in (0, 1)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    for word in (SECRET_ORDER, "script", "\x1b", "\u202e"):
        assert word not in result.output
    cells = [cell for row in csv.reader(sheet.open(encoding="utf-8")) for cell in row]
    assert any("cmd|" in cell for cell in cells)
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]


def test_a_bad_line_is_named_and_the_others_are_counted(run: Run, write: Callable[..., str]) -> None:
    unresolved = resolved(3) | {"resolution": None}
    path = write(b"{not json", resolved(1), json.dumps(resolved(2)).encode() + b"}", unresolved, b"", b'"text"')
    result = run(path, ASSESSOR="extractive")
    assert result.exit_code == 1
    assert [line.partition("jsonl: ")[2] for line in result.stderr.splitlines()] == [
        "line 1: not JSON",
        "line 3: not JSON",
        "line 6: not a JSON object",
    ]
    assert "1 of 1 resolved sessions, drawn with seed 0; 1 without a resolution, 3 bad lines" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--assessor", "gemini"], "must be extractive, openai, anthropic"),
        (["--assessor", "extractive:large"], "must be extractive, openai, anthropic"),
        (["--judge", "extractive"], "must be openai:MODEL or anthropic:MODEL"),
        (["--plot", "x.pdf"], "must end in .png or .svg"),
        (["--plot", "/nowhere/x.png"], "there is no such folder"),
        (["--csv", "/nowhere/x.csv"], "there is no such folder"),
        (["--sheet", "/nowhere/x.csv"], "there is no such folder"),
        (["--cache", "/dev/null/x", "--assessor", "openai"], "Not a directory"),
    ],
)
def test_what_cannot_be_is_one_line_before_anything_is_paid(
    run: Run, provider: Provider, arguments: list[str], reason: str
) -> None:
    result = run(str(SAMPLE), *arguments, ASSESSOR="extractive")
    assert result.exit_code in (1, 2)
    assert reason in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.output
    assert provider.calls == 0


def test_a_file_without_a_resolved_session_says_so(run: Run, write: Callable[..., str]) -> None:
    result = run(write(resolved(1) | {"resolution": None}))
    assert result.exit_code == 1
    assert result.stderr == "Error: no resolved session was found (0 bad lines, 1 without a resolution)\n"
    assert "CSV" in run(write(b"id,title\n1,Printer\n2,VPN")).stderr


def test_an_unreachable_provider_is_left_after_a_few_sessions_and_what_there_is_is_printed(run: Run) -> None:
    result = run(str(SAMPLE), **access(NOWHERE))
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == (
        f"stopped after {HOPELESS} sessions: openai:{settings().openai_model} gave no reply {HOPELESS} times"
        " in a row (unavailable)"
    )
    assert figure(result, "fallbacks") == f"1.00 of {HOPELESS}"
    assert figure(result, "errors") == f"unavailable {HOPELESS}"
    assert figure(result, "quotes found") == "none"
    assert figure(result, "quotes found", 1).startswith("1.00")
    assert "Traceback" not in result.output


@pytest.mark.parametrize("behaviour", ["unauthorized", "no key"])
def test_a_key_that_does_not_work_ends_it_at_once(run: Run, provider: Provider, behaviour: str) -> None:
    if behaviour == "unauthorized":
        provider.behave(behaviour)
    result = run(str(SAMPLE), **({"OPENAI_API_KEY": ""} if behaviour == "no key" else {}))
    assert result.exit_code == 1
    assert "cannot be used (auth): check its key, address and model" in result.stderr
    assert provider.calls <= 1


@pytest.mark.parametrize("behaviour", ["truncated", "refusal", "invalid_json", "bad_request", "rate_limited"])
def test_a_failure_is_a_fallback_with_its_kind_and_the_next_session_is_tried(
    run: Run, provider: Provider, write: Callable[..., str], behaviour: str
) -> None:
    times = {"invalid_json": 2, "rate_limited": 3}  # until one assessment gives up
    provider.behave("good", sequence=[behaviour] * times.get(behaviour, 1), retry_after="0")
    result = run(write(resolved(1), resolved(2)), "--once")
    kinds = {"refusal": "refused", "invalid_json": "invalid_reply", "bad_request": "refused"}
    assert result.exit_code == 0
    if behaviour == "rate_limited":  # the provider says when to come back
        assert figure(result, "errors") == "none"
        return
    assert figure(result, "fallbacks") == "0.50 of 2"
    assert figure(result, "errors") == f"{kinds.get(behaviour, behaviour)} 1"
    assert figure(result, "characters").endswith("of 1")


def test_a_failing_evaluation_does_not_open_the_breaker_of_the_service(run: Run, shared_database: str) -> None:
    run(str(SAMPLE), **access(NOWHERE))
    names = [key.decode() for key in redis_client().scan_iter("*breaker*")]
    assert not [name for name in names if name.startswith(f"{settings().installation}:breaker")]


def test_it_stops_before_the_sum_of_tokens_passes_the_limit(run: Run, provider: Provider) -> None:
    for limit in (100, 20_000, 40_000):
        provider.behave("good", reset=True)
        result = run(str(SAMPLE), "--tokens", str(limit))
        found = re.search(r"spent (\d+) tokens", result.stdout)
        assert found
        assert int(found[1]) <= limit
        assert result.exit_code == 0
        assert f"tokens are spent, and the next call could pass the limit of {limit}" in result.stderr
        assert (provider.calls == 0) == (limit == 100)
    assert not result.stdout.startswith(("0 of", "12 of"))


def test_a_repeated_run_pays_for_nothing_and_prints_the_same(
    run: Run, provider: Provider, write: Callable[..., str], tmp_path: Path
) -> None:
    path, folder = write(resolved(1), resolved(2)), tmp_path / "replies"
    options = (path, "--cache", str(folder), "--judge", "openai:m", "--tokens", "100000")
    first = run(*options)
    assert provider.calls > 0
    provider.behave("error_500", reset=True)
    second = run(*options, "--tokens", "1")
    assert (second.exit_code, provider.calls) == (0, 0), second.stderr
    assert without_times_beside(second) == without_times_beside(first)
    assert "spent 0 tokens; 4 replies came from the cache" in second.stdout
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_what_else_would_be_replied_is_asked_anew(
    run: Run, provider: Provider, write: Callable[..., str], tmp_path: Path
) -> None:
    path, options = write(resolved(1)), ("--once", "--cache", str(tmp_path / "replies"))
    run(path, *options)
    assert provider.calls == 1
    run(path, *options, "--assessor", "openai:another")
    assert provider.calls == 2
    run(path, *options, REDACT="0")
    assert provider.calls == 3
    run(write(resolved(1, reason="Another one.")), *options)
    assert provider.calls == 4
    files = list((tmp_path / "replies").rglob("*.json"))
    whole = json.loads(files[0].read_text())
    damages = [
        '{"content": ',
        "[1]",
        "{}",
        *(json.dumps(whole | {"content": bad}) for bad in ({"summary": 7}, [1], 1)),
    ]
    for number, damaged in enumerate(damages, 5):
        for file in files:
            file.write_text(damaged)
        assert run(path, *options).exit_code == 0
        assert provider.calls == number


def test_a_reply_with_control_characters_reaches_no_sheet(
    run: Run, write: Callable[..., str], tmp_path: Path
) -> None:
    path, sheet = write(resolved(1)), tmp_path / "sheet.csv"
    options = (path, "--once", "--cache", str(tmp_path / "replies"), "--sheet", str(sheet))
    run(*options)
    [file] = (tmp_path / "replies").rglob("*.json")
    reply = json.loads(file.read_text())
    reply["content"]["summary"] = "Red \x1b[31m herring\x07"
    file.write_text(json.dumps(reply))
    assert run(*options).exit_code == 0
    assert "herring" in sheet.read_text()
    assert not {"\x1b", "\x07"} & set(sheet.read_text())


def test_a_failure_is_not_cached(run: Run, provider: Provider, write: Callable[..., str], tmp_path: Path) -> None:
    path, options = write(resolved(1)), ("--once", "--cache", str(tmp_path / "replies"))
    provider.behave("truncated")
    assert figure(run(path, *options), "errors") == "truncated 1"
    assert not list((tmp_path / "replies").rglob("*.json"))
    provider.behave("good")
    assert figure(run(path, *options), "errors") == "none"


def test_the_same_seed_draws_the_same_sessions_and_another_one_others(run: Run) -> None:
    def drawn(*options: str) -> str:
        result = run(str(SAMPLE), "--limit", "4", *options, ASSESSOR="extractive")
        assert result.stdout.startswith("4 of 12")
        return quality_of(result).partition("\n")[2]

    assert drawn() == drawn("--seed", "0")
    assert len({drawn("--seed", str(seed)) for seed in range(4)}) > 1


def test_the_judge_is_asked_about_each_assessment_and_compared_with_people(
    run: Run, provider: Provider, write: Callable[..., str], tmp_path: Path
) -> None:
    path, sheet = write(resolved(1), resolved(2)), tmp_path / "sheet.csv"
    options = (path, "--once", "--judge", "anthropic:strict-one", "--assessor", "openai:m", "--keep-outcomes")
    first = run(*options, "--sheet", str(sheet))
    assert first.exit_code == 0, first.stderr
    assert "openai:m, by anthropic:strict-one" in first.stdout
    assert "extractive, by anthropic:strict-one" in first.stdout
    assert figure(first, "attempts judged right") == "1.00 of 4"
    assert figure(first, "summaries good") == "0.00 of 2"
    assert figure(first, "summaries good or fair") == "1.00 of 2"
    assert "kappa" not in first.stdout

    rows = list(csv.DictReader(sheet.open(encoding="utf-8")))
    assert tuple(rows[0]) == SHEET
    assert {row["judgment"] for row in rows} == {""}
    answers = {"fact": ["yes", "no"], "attempt": ["YES"], "summary": ["fair", " good "]}
    for number, row in enumerate(rows):
        row["judgment"] = answers[row["item"]][number % len(answers[row["item"]])]
    with sheet.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, SHEET)
        writer.writeheader()
        writer.writerows(rows)
    second = run(*options, "--judgments", str(sheet))
    assert second.exit_code == 0, second.stderr
    assert "openai:m, by people" in second.stdout
    count = sum(row["item"] == "attempt" for row in rows)
    assert figure(second, "is each attempt right") == f"1.00 of {count}"
    assert figure(second, "is each attempt right", 1) == "none"  # both always say yes, which chance explains
    assert re.fullmatch(r"0\.\d\d of \d+", figure(second, "is each fact worth a senior's seconds"))
    assert re.fullmatch(r"-?0\.\d\d of \d+", figure(second, "is each fact worth a senior's seconds", 1))

    alone = run(path, "--once", "--keep-outcomes", "--judgments", str(sheet), "--assessor", "openai:m")
    assert figure(alone, "summaries good or fair") == "1.00 of 2"


@pytest.mark.parametrize("behaviour", ["invalid_json", "refusal", "truncated"])
def test_a_judge_that_does_not_answer_is_counted_and_ends_nothing(
    run: Run, provider: Provider, write: Callable[..., str], behaviour: str
) -> None:
    provider.behave(behaviour)
    result = run(write(resolved(1)), "--assessor", "extractive", "--once", "--judge", "openai:m")
    kind = {"invalid_json": "invalid_reply", "refusal": "refused"}.get(behaviour, behaviour)
    assert f"the judge gave no answer to 1 of 1 assessments: {kind} 1" in result.stdout
    assert result.exit_code == 0
    assert figure(result, "facts worth a senior's seconds") == "none"


def test_a_judge_whose_server_takes_no_schema_finds_it_in_the_prompt(
    run: Run, provider: Provider, write: Callable[..., str]
) -> None:
    provider.behave("no_json_schema")
    options = ("--assessor", "extractive", "--once", "--judge", "openai:m")
    result = run(write(resolved(1), resolved(2)), *options)
    assert figure(result, "summaries good or fair") == "1.00 of 2"
    requests = [request["body"] for request in provider.seen()["requests"]]
    assert [body["response_format"]["type"] for body in requests] == ["json_schema", "json_object", "json_object"]
    assert ["additionalProperties" in body["messages"][0]["content"] for body in requests] == [False, True, True]


def test_a_judge_that_cannot_be_reached_ends_it(run: Run) -> None:
    result = run(str(SAMPLE), "--assessor", "extractive", "--judge", "openai:m", **access(NOWHERE))
    assert result.exit_code == 1
    assert "the judge openai:m gave no reply (unavailable)" in result.stderr
    missing = run(str(SAMPLE), "--judge", "openai:m", OPENAI_API_KEY="")
    assert "--judge needs OPENAI_API_KEY" in str(missing.exception)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("handoff,item\n1,fact\n", "the column assessor is missing"),
        ("", "the column assessor is missing"),
        (",".join(SHEET) + "\n1,T,a,fact,text,maybe\n", "line 2: judgment must be one of yes, no"),
        (",".join(SHEET) + "\n1,T,a,opinion,text,yes\n", "line 2: item must be one of fact, attempt, summary"),
        (b"\xff\xfe\x00", "not a table in UTF-8"),
        (",".join(SHEET) + f"\n1,T,a,fact,{'x' * 200_000},yes\n", "not a table in UTF-8"),
    ],
)
def test_a_sheet_that_cannot_be_read_is_one_line(run: Run, tmp_path: Path, content: str | bytes, reason: str) -> None:
    path = tmp_path / "filled.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    result = run(str(SAMPLE), "--judgments", str(path))
    assert result.exit_code == 1
    assert reason in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_the_csv_has_every_figure_with_its_count(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "figures.csv"
    result = run(str(SAMPLE), "--csv", str(path), ASSESSOR="extractive")
    rows = list(csv.DictReader(path.open(encoding="utf-8")))
    assert len(rows) == 4 * len(QUALITY | COSTS)
    [quotes] = [row for row in rows if (row["measure"], row["method"]) == ("quotes found", "extractive")]
    assert quotes["shown"] == figure(result, "quotes found") == f"{float(quotes['value']):.2f} of {quotes['count']}"


@pytest.mark.parametrize(("name", "magic"), [("p.png", b"\x89PNG"), ("p.svg", b"<?xml")])
def test_the_shares_are_drawn(run: Run, tmp_path: Path, name: str, magic: bytes) -> None:
    result = run(str(SAMPLE), "--plot", str(tmp_path / name), ASSESSOR="extractive")
    assert (result.exit_code, result.stderr) == (0, "")
    assert (tmp_path / name).read_bytes().startswith(magic)


def test_without_what_draws_nothing_is_asked(
    run: Run, provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # what Python itself does for "not there"
    result = run(str(SAMPLE), "--plot", str(tmp_path / "p.png"))
    assert result.exit_code == 1
    assert result.stderr == "Error: --plot needs matplotlib: pip install matplotlib\n"
    assert provider.calls == 0


@pytest.fixture
def process(servers: Servers, shared_database: str, provider: Provider) -> Iterator[Callable[..., Any]]:
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        variables = {**os.environ, **servers.environment(shared_database), **access(provider.url)}
        command = [sys.executable, "-m", "flask", "--app", "wsgi", "eval", *arguments]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, cwd=ROOT, env=variables, stdout=pipe, stderr=pipe, text=True))
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.communicate()


def test_ctrl_c_prints_what_there_is(process: Callable[..., Any], provider: Provider) -> None:
    provider.behave("hang", sequence=["good"] * 4)
    running = process(str(SAMPLE), "--once")
    wait_for(lambda: provider.calls == 5, "the fifth session to be asked for", process=running)
    running.send_signal(signal.SIGINT)
    out, errors = running.communicate(timeout=60)
    assert running.returncode == 130
    assert out.startswith("4 of 12 resolved sessions")
    assert re.search(r"\| quotes found +\| 1\.00 of \d+", out)
    assert errors.splitlines()[-1] == "stopped after 4 sessions: interrupted"
    assert "Traceback" not in errors


def test_standard_input_is_read(process: Callable[..., Any]) -> None:
    with SAMPLE.open() as lines:
        done = subprocess.run(
            [sys.executable, "-m", "flask", "--app", "wsgi", "eval", "-", "--assessor", "extractive"],
            cwd=ROOT,
            env=dict(os.environ),
            stdin=lines,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.stdout.startswith("12 of 12 resolved"), done.stderr


def test_each_measure_is_defined_in_the_documentation() -> None:
    page = (ROOT / "docs/how-to/evaluate-an-assessor.md").read_text()
    missing = [measure for measure in (*QUALITY, *COSTS, *JUDGED) if f"| {measure} |" not in page]
    assert missing == []


@pytest.mark.usefixtures("shared_database")
def test_the_cache_is_told_apart_by_what_changes_a_reply(tmp_path: Path) -> None:
    names = ("openai:a", "openai:a/b", "openai:a b")
    caches = [Cache(tmp_path, name, named(settings(), name)) for name in names]
    for number, cache in enumerate(caches):
        cache.put("key", {"number": number})
    assert [cache.get("key") for cache in caches] == [{"number": 0}, {"number": 1}, {"number": 2}]
