# The verbs of the project; `make help` lists them. What they need is installed into .venv, in the versions and with the
# hashes of the lock files: requirements.lock to run, requirements-population.lock for population runs besides, and
# requirements-dev.lock for everything else.
FLOOR := 3.11.2
PYTHON ?= python3
PORT ?= 8080
VENV := .venv
BIN := $(VENV)/bin
# The lock files name every package, so none is looked for beside them (--no-deps below).
# Twice quiet: only errors, so that the line about what is installed stands alone.
PIP := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check
# Three at once, even on two cores: many tests wait for a deadline or for a process.
PARALLEL := --numprocesses 3 --dist loadfile --no-loadscope-reorder

# Tests start hundreds of processes; where bytecode is not kept, each of them compiles the whole package anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run install install-dev install-population check test test-unit test-content test-http test-outside test-load test-all content-mutants bench bench-population instructions \
	fuzz hostile soak measured mutants examples clients spark format statements clinical reference hazards conformance settings calls pictures screenshots docs \
	lock audit pin-images sbom help
.DELETE_ON_ERROR:
.NOTPARALLEL:

run: install ## serve on http://127.0.0.1:8080 with the packaged content; PORT=8093 for another port
	@$(BIN)/cds-service serve --port $(PORT)

install: $(VENV)/.run ## .venv with what running needs; PYTHON=python3.12 for another Python

install-dev: $(VENV)/.dev ## .venv with what checks and tests need besides

install-population: $(VENV)/.population ## .venv with what population runs need besides (docs/population.md)

# Refuses a Python that is too old before anything is installed. The line itself is understood by Python 2 as well.
$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo 'cds-service needs Python $(FLOOR) or newer; $(PYTHON) is not there: make PYTHON=/path/to/python3'; exit 1; } >&2
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info[:3] >= tuple(map(int, "$(FLOOR)".split("."))) else "cds-service needs Python $(FLOOR) or newer; $(PYTHON) is %d.%d.%d: make PYTHON=/path/to/a/newer/python3" % sys.version_info[:3])'
	@$(PYTHON) -m venv $(VENV)
	@rm -f $(VENV)/.run $(VENV)/.dev $(VENV)/.population

$(VENV)/.run: requirements.lock deploy/build.lock pyproject.toml | $(BIN)/python
	@echo "Installing $$(cat requirements.lock deploy/build.lock | grep -c '^[a-z].*==') packages to run the service into $(VENV), about 20 s"
	@$(PIP) install --no-deps --require-hashes -r requirements.lock -r deploy/build.lock
	@$(PIP) install --no-index --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.lock
	@echo "Installing what checks and tests need beside that, $$(grep -c '^[a-z].*==' requirements-dev.lock) packages in all, about 60 s"
	@$(PIP) install --no-deps --require-hashes -r requirements-dev.lock
	@touch $@

$(VENV)/.population: $(VENV)/.run requirements-population.lock
	@echo "Installing what population runs need beside that, DuckDB and Arrow, about 20 s"
	@$(PIP) install --no-deps --require-hashes -r requirements-population.lock
	@touch $@

check: install-dev ## formatting, lint, types, the walls between the rooms, the proof of the content
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/cds-service check

test: install-dev ## every test, in one run, the longest with a part of their cases; what is missing, such as PostgreSQL, is named
	@$(BIN)/python -m pytest $(PARALLEL)

test-unit: install-dev ## the tests of single functions, some seconds
	@$(BIN)/python -m pytest tests/unit

test-content: install-dev ## the tests of the content: scenarios, tables, mutants, impact
	@$(BIN)/python -m pytest $(PARALLEL) tests/content

test-http: install-dev ## the tests of what is said over HTTP, with those of CDS Hooks' requirements
	@$(BIN)/python -m pytest $(PARALLEL) tests/http

test-outside: install-dev ## the tests with real neighbours: FHIR server, stores, tokens, proxies, browser, installed wheel
	@$(BIN)/python -m pytest $(PARALLEL) tests/outside

test-load: install-dev ## short runs of the fuzzers, the hostile calls, the soak and the benchmarks
	@$(BIN)/python -m pytest $(PARALLEL) tests/load

test-all: export EVERY_CASE := 1
test-all: test hostile fuzz soak examples clients spark ## every test with every case, then the long runs, one after another; by hand before a release

content-mutants: install-dev ## every small wrong change of the content, and whether something notices; make test tries one in seventy-two
	@EVERY_CASE=1 $(BIN)/python -m pytest tests/content/test_mutants.py

bench: install-dev ## what a call costs against floors of the same run, then the inner steps (Linux; wrk, valgrind); BENCH="--peer healthchain"
	$(BIN)/python -m tests.load.bench.table --keep $(BENCH)
	$(BIN)/python -m pytest tests/load/bench --benchmark-enable --benchmark-only --benchmark-columns=median,iqr,rounds

bench-population: install-dev ## what judging a whole export costs beside judging alone; POPULATION="--patients 100000 --large 1000000"
	@$(BIN)/python -m tests.load.population.measure --keep $(POPULATION)

instructions: install-dev ## how many instructions a call takes, and whether a count is more than 1 % from the one kept (needs valgrind)
	$(BIN)/python -m tests.load.bench.instructions $(INSTRUCTIONS)

fuzz: install-dev ## every parser and the whole request path under fuzzers; FUZZ="SECONDS-A-TARGET SEED"
	@$(BIN)/python -m tests.load.fuzz.fuzzing --keep $(FUZZ)

hostile: install-dev ## ten thousand hostile calls, and what they cost beside a right one; HOSTILE="CALLS SEED"
	@$(BIN)/python -m tests.load.hostile.hostile --keep $(HOSTILE)

soak: install-dev ## mixed requests while everything fails, alone and in pairs; SOAK="REQUESTS CONNECTIONS PAIRS SEED"
	@$(BIN)/python -m tests.load.soak.soak --keep $(SOAK)

measured: install-dev ## what bench, bench-population, instructions, fuzz, hostile and soak have left is kept in docs/measured, and the tables of the docs
	@$(BIN)/python -m tests.load.measured

mutants: install-dev ## small wrong changes of the code, and whether a test notices each; MUTANTS="SECONDS SEED"
	@$(BIN)/python -m venv build/cosmic-ray
	@build/cosmic-ray/bin/pip install --quiet --disable-pip-version-check cosmic-ray==8.7.0
	@$(BIN)/python -m tests.load.mutants.mutants build/cosmic-ray/bin/cosmic-ray $(MUTANTS)

examples: install-dev ## HL7's example resources and those of other FHIR packages, sent to the three services (needs npm)
	@$(BIN)/python -m tests.real.examples $(EXAMPLES)

clients: install-dev ## /openapi.json linted, and the hooks called with a client that is generated from it (needs npm)
	@$(BIN)/python -m tests.real.clients

spark: install-dev ## population runs on Apache Spark give the rows of one machine (needs Java 17 or 21; a download of 435 MB); SPARK="TEST"
	@$(BIN)/python -m venv build/spark
	@build/spark/bin/pip install --quiet --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.lock
	@build/spark/bin/pip install --quiet --quiet --disable-pip-version-check --no-build-isolation --editable '.[spark]' pyspark==4.3.0
	@build/spark/bin/python -m pytest $(or $(SPARK),tests/outside/test_population_on_spark.py)

format: install-dev ## the code in its one format, with what lint can mend by itself
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

statements: install ## the table of statements in cards/README.md
	@$(BIN)/cds-service export statements --out cards

clinical: install ## what is done about each statement, in docs/clinical.md
	@$(BIN)/cds-service export clinical --out docs

reference: install ## every key of the content, in docs/content-reference.md, and the schemas beside it for editors
	@$(BIN)/cds-service export reference --out docs
	@$(BIN)/cds-service export schemas --out cards

hazards: install ## the hazard log to read, in docs/hazards.md
	@$(BIN)/cds-service export hazards > docs/hazards.md

conformance: install-dev ## run the tests of CDS Hooks requirements and write docs/conformance.md
	@$(BIN)/python -m tests.http.conformance.table

settings: install-dev ## the tables of settings and of prefetch in deploy/README.md
	@$(BIN)/python -m tests.outside.deploy.pages

calls: install-dev ## the request, its answer and the feedback that docs/integrating.md shows
	@$(BIN)/python -m tests.http.shown_calls

pictures: install ## the pictures in docs/pictures
	@$(BIN)/python docs/site/pictures.py

screenshots: install-dev ## the pictures of the console in docs (needs Chromium)
	@$(BIN)/python docs/site/screenshots.py

docs: install-dev ## the documentation as a site in build/site, every link and anchor checked; read it without a network
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "build/site/index.html"

lock: $(BIN)/python ## the lock files after a change of pyproject.toml; what is pinned stays
	$(BIN)/python -m venv build/uv
	build/uv/bin/pip install --quiet --disable-pip-version-check uv
	build/uv/bin/$(COMPILE) --extra dev pyproject.toml -o requirements-dev.lock
	build/uv/bin/$(COMPILE) -c requirements-dev.lock pyproject.toml -o requirements.lock
	build/uv/bin/$(COMPILE) --extra population -c requirements-dev.lock pyproject.toml -o requirements-population.lock
	build/uv/bin/$(COMPILE) --extra opentelemetry --extra postgresql -c requirements-dev.lock pyproject.toml -o deploy/requirements.lock
	echo hatchling | build/uv/bin/$(COMPILE) -c requirements-dev.lock - -o deploy/build.lock

COMPILE := uv pip compile -q --override .ci/left-out.txt --universal --python-version $(FLOOR) --generate-hashes --no-emit-index-url --no-header

audit: install-dev ## known vulnerabilities of what is deployed; fails too if nobody could say
	@$(BIN)/python .ci/audit.py

pin-images: install ## the digests of images, asked of their registries, into deploy/; IMAGES="FILE ..." for your own files
	@$(BIN)/python deploy/pin_images.py $(IMAGES)

IMAGES := deploy/Containerfile deploy/compose.yaml

sbom: install-dev ## dist/cds-service.cdx.json: what a deployed service consists of (CycloneDX)
	$(BIN)/python -m venv --clear --without-pip build/service
	$(BIN)/pip --python build/service/bin/python install --quiet --disable-pip-version-check --require-hashes -r deploy/requirements.lock
	mkdir -p dist
	$(BIN)/cyclonedx-py environment --output-reproducible --pyproject pyproject.toml -o dist/cds-service.cdx.json build/service

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 14
