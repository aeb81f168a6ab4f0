# Coursekeep: `make demo` and `make test` need Python 3.11+, pip and make, nothing else.

PYTHON ?= python3
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
BIN := .venv/bin
INSTALLED := .venv/.installed
KOLIBRI := .kolibri/.installed
PROJECTS := $(wildcard pyproject.toml contrib/*/pyproject.toml)
PYTEST_ARGS ?= -n auto --dist loadgroup
DEMO_ARGS ?=
BENCH_ARGS ?=
FAULTS_ARGS ?= --daemons 2 --workers 3 --archive s3

export UV_PYTHON_DOWNLOADS := never
export UV_LINK_MODE := copy
# without stored bytecode every start of the program takes seconds
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test check format bench scale compose-by-hand faults reference screenshots lock clean

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24

demo: $(INSTALLED) ## archive the ended courses of a small LMS, on embedded defaults, and verify every package
	$(BIN)/coursekeep demo $(DEMO_ARGS)

test: $(INSTALLED) $(KOLIBRI) ## run all tests
	$(BIN)/pytest $(PYTEST_ARGS)

check: $(INSTALLED) ## lint, check formatting, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED) ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED) ## print a table of ratios measured in one run (takes minutes; not a test)
	PYTHONPATH=tests $(BIN)/python -m bench $(BENCH_ARGS)

compose-by-hand: $(INSTALLED) ## start the services of deploy/compose.yml without containers, and archive OULAD while workers die
	COURSEKEEP_COMPOSE=oulad $(BIN)/pytest -q -s tests/system/test_compose.py

scale: $(INSTALLED) ## print the tables of docs/scale.md from the model, and draw its picture (takes minutes)
	PYTHONPATH=tests $(BIN)/python -m bench.scale

faults: $(INSTALLED) ## do 200 faults to a whole deployment, and judge what became of it (takes an hour; not a test)
	PYTHONPATH=tests $(BIN)/python -m faults $(FAULTS_ARGS)

reference: $(INSTALLED) ## write the pages of docs/reference that are made from the code
	$(BIN)/python docs/records_page.py > docs/reference/records.md
	$(BIN)/python docs/coverage_page.py > docs/reference/coverage.md
	$(BIN)/python docs/conformance_page.py > docs/reference/conformance.md

screenshots: $(INSTALLED) ## make the pictures of the console in docs/images (needs Chromium)
	COURSEKEEP_SCREENSHOTS=docs/images $(BIN)/pytest -q tests/browser/test_browser_pages.py

lock: $(UV) ## pin all dependencies anew in the lock files, by version and hash
	$(UV) lock --upgrade
	$(UV) export --quiet --all-packages --all-groups --all-extras --no-emit-workspace --no-header --format requirements-txt --output-file requirements.lock
	$(UV) export --quiet --package coursekeep --no-default-groups --extra postgresql --extra telemetry --no-emit-workspace --no-header --no-annotate --format requirements-txt --output-file deploy/requirements.lock
	$(UV) pip compile --quiet --no-header --no-annotate --generate-hashes --universal --python-version 3.11 --constraint requirements.lock --output-file deploy/build.lock deploy/build.in
	$(UV) pip compile --quiet --upgrade --no-header --no-annotate --generate-hashes --universal --python-version 3.11 --output-file contrib/kolibri/tests/kolibri.txt contrib/kolibri/tests/kolibri.in

clean: ## remove what the other targets made
	rm -rf .venv .kolibri .tools .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist

.tools/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Coursekeep needs Python 3.11 or newer; set PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --target .tools uv

$(INSTALLED): $(UV) requirements.lock $(PROJECTS)
	$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv
	$(UV) pip sync --quiet --python .venv --require-hashes requirements.lock
	$(UV) pip install --quiet --python .venv --no-deps --no-build-isolation $(foreach project,$(PROJECTS),-e ./$(dir $(project)))
	@touch $@

# a real LMS that the tests archive, in an environment of its own
$(KOLIBRI): $(UV) contrib/kolibri/tests/kolibri.txt
	$(UV) venv --quiet --allow-existing --python $(PYTHON) .kolibri
	$(UV) pip sync --quiet --python .kolibri --require-hashes contrib/kolibri/tests/kolibri.txt
	@touch $@
