# The verbs of the project. Everything they need is installed into .venv from requirements.lock.
PYTHON ?= python3
PORT ?= 8080
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run install test check bench fuzz hostile soak format statements conformance settings lock audit sbom

run: install ## serve on http://127.0.0.1:$(PORT) with the packaged content
	@$(BIN)/cds-service serve --port $(PORT)

install: $(VENV)/.installed ## .venv from the lock file

$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

test: install ## every test that needs no service of its own
	@$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

check: install ## formatting, lint, types, content
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/cds-service check

bench: install ## what a call costs against floors measured in the same run, then the inner steps (Linux; needs wrk)
	$(BIN)/python -m tests.load.bench.table $(BENCH)
	$(BIN)/python -m pytest tests/load/bench --benchmark-enable --benchmark-only --benchmark-columns=median,iqr,rounds

fuzz: install ## every parser and the whole request path under fuzzers; FUZZ="SECONDS-A-TARGET SEED"
	@$(BIN)/python -m tests.load.fuzz.fuzzing $(FUZZ)

hostile: install ## ten thousand hostile calls, and what they cost beside a right one; HOSTILE="CALLS SEED"
	@$(BIN)/python -m tests.load.hostile.hostile $(HOSTILE)

soak: install ## mixed requests while everything around the service fails; SOAK="REQUESTS CONNECTIONS"
	@$(BIN)/python -m tests.load.soak.soak $(SOAK)

statements: install ## the table of statements in cards/README.md
	@$(BIN)/cds-service export statements --out cards

conformance: install ## run the tests of CDS Hooks requirements and write docs/conformance.md
	@$(BIN)/python -m tests.http.conformance.table

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

settings: install ## the tables of settings and of prefetch in deploy/README.md
	@$(BIN)/python -m tests.outside.deploy.pages

lock: ## the lock files after a change of pyproject.toml; what is pinned stays
	$(PYTHON) -m venv build/uv
	build/uv/bin/pip install --quiet --disable-pip-version-check uv
	build/uv/bin/$(COMPILE) --extra dev pyproject.toml -o requirements.lock
	build/uv/bin/$(COMPILE) --extra opentelemetry --extra postgresql -c requirements.lock pyproject.toml -o deploy/requirements.lock
	echo hatchling | build/uv/bin/$(COMPILE) -c requirements.lock - -o deploy/build.lock

COMPILE := uv pip compile -q --universal --python-version 3.11.2 --generate-hashes --no-emit-index-url --no-header

audit: install ## known vulnerabilities of what is deployed; a notice if nobody could say
	@$(BIN)/python .ci/audit.py

sbom: install ## dist/cds-service.cdx.json: what a deployed service consists of (CycloneDX)
	$(PYTHON) -m venv --clear --without-pip build/service
	$(BIN)/pip --python build/service/bin/python install --quiet --disable-pip-version-check --require-hashes -r deploy/requirements.lock
	mkdir -p dist
	$(BIN)/cyclonedx-py environment --output-reproducible --pyproject pyproject.toml -o dist/cds-service.cdx.json build/service
