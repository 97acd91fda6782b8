# Everything a developer types. `make` alone lists it.

PYTHON ?= python3
BIN := .venv/bin
NODE_BIN := PATH="$(CURDIR)/$(BIN):$$PATH" node_modules/.bin

# Variables given to make (PORT=8001, ASSESSOR=openai …) reach the processes.
export

.DEFAULT_GOAL := help
.PHONY: help run test quick pictures reference constraints proofs faults train bench bench-assessment check lint format migration shell

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 26

run: .venv/stamp ## run the whole service on http://127.0.0.1:8000 (PORT=… for another port, args="-v" to see the logs); Ctrl-C stops it
	@exec $(BIN)/python -m deploy.local $(args)

test: .venv/stamp ## run the whole test suite, two processes with private servers each (args="…" goes to pytest, args="-n 0" for one)
	@exec $(BIN)/python -m pytest -n 2 --dist loadfile $(args)

quick: .venv/stamp ## the tests that need no server, no process and no browser, in about a minute
	@exec $(BIN)/python -m pytest --quick -n 2 tests/models tests/tasks tests/api tests/deploy $(args)

proofs: .venv/stamp ## the long versions of the feed's proofs; writes docs/measurements/feed-proofs.md
	@PROOFS=long exec $(BIN)/python -m pytest tests/proofs $(args)

faults: .venv/stamp ## break every part in turn under load and print what became of each handoff, about 10 minutes (args="…")
	@exec $(BIN)/python -m tests.faults $(args)

bench: .venv/bench-stamp ## the service beside references, as ratios (args="intake claim", args="--write docs/measurements/performance.md")
	@exec $(BIN)/python -m tests.benchmarks $(args)

check: lint ## lint, formatting, types, and which room may import which; the same for the scripts and styles
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports --no-logo --no-cache
	$(NODE_BIN)/biome ci --colors=off --error-on-warnings
	$(NODE_BIN)/tsc --project .

lint: .venv/stamp node_modules/stamp ## ruff
	$(BIN)/python -m ruff check .

train: .venv/stamp ## train the model by which the offline assessor reads, on the labels (about ten minutes)
	$(BIN)/python -m tests.evaluation.train

bench-assessment: .venv/stamp ## how good assessments and the search for past cases are (args="FILE …" for other tickets)
	$(BIN)/python -m tests.benchmarks.assessment $(args)
	$(BIN)/python -m tests.benchmarks.retrieval $(args)
	$(BIN)/python -m tests.evaluation.agreement
	$(BIN)/python -m tests.evaluation.reading
	$(BIN)/python -m tests.evaluation.sentences
	$(BIN)/python -m tests.evaluation.verdicts

pictures: .venv/stamp ## take the screenshots of the README again
	@$(BIN)/python -m pytest tests/screens/test_looks.py -k light
	cp build/screens/queue-light.png docs/pictures/queue.png
	cp build/screens/context-light.png docs/pictures/handoff.png

reference: .venv/stamp ## regenerate docs/reference from the code
	@DATABASE_URL=postgresql://database/none REDIS_URL=redis://redis SECRET_KEY=only-to-load-the-commands-------- \
		$(BIN)/python -m tests.documentation

constraints: .venv/stamp ## regenerate constraints.txt after a change of the requirements
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-annotate --custom-compile-command "make constraints" \
		--output-file constraints.txt requirements-dev.txt requirements-bench.txt

format: .venv/stamp node_modules/stamp ## format the code, fix what ruff and Biome can
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .
	$(NODE_BIN)/biome check --write

migration: .venv/stamp ## begin a migration: make migration m="add handoff.priority"
	@test -n "$$m" || { echo 'make migration needs m="what it does"' >&2; exit 2; }
	@exec $(BIN)/python -m deploy.local.shell flask db revision -m "$$m"

shell: .venv/stamp ## a shell with the address and keys of the stack that `make run` made
	@exec $(BIN)/python -m deploy.local.shell

# Whatever somebody has set for other projects, the packages go into the environment. Mirrors stay as they are set.
PIP_INSTALL := env -u PIP_TARGET -u PIP_PREFIX -u PIP_ROOT PIP_USER=0 $(BIN)/python -m pip install --quiet --disable-pip-version-check

# A new environment when the pins change. The stamp comes last, so a broken install is repeated.
.venv/stamp: requirements.txt requirements-ai.txt requirements-embeddings.txt requirements-dev.txt constraints.txt
	"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	"$(PYTHON)" -m venv .venv
	$(PIP_INSTALL) -r requirements-dev.txt -c constraints.txt
	@touch .venv/stamp

# Node.js comes as a wheel; what it runs is for `make check` alone.
node_modules/stamp: .venv/stamp package-lock.json
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/npm ci --no-audit --no-fund --loglevel error
	@touch node_modules/stamp

.venv/bench-stamp: .venv/stamp requirements-bench.txt
	$(PIP_INSTALL) -r requirements-bench.txt -c constraints.txt
	@touch .venv/bench-stamp
