# Everything needs only Python 3.11+ and make; the environment lives in .venv and is rebuilt when a lock changes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TESTS ?= tests

.PHONY: help setup demo test coverage mutate guard test-pythons check lint-containers bench validate schemas options api sbom lock clean

help:
	@echo "make setup   create .venv with the console script eng5-runner"
	@echo "make demo    run the bundled study on the embedded stack and verify the run"
	@echo "make test    run all tests"
	@echo "make coverage  run all tests and check the floors of branch coverage"
	@echo "make mutate  change the code bit by bit and see whether a test notices: hours (SAMPLE=100: so many of each package)"
	@echo "make guard   test that old runs stay readable and give the same files, byte for byte"
	@echo "make test-pythons  run all tests on the other supported Pythons that this machine has (TESTS=tests/core: a part)"
	@echo "make check   style, types, import directions, laws, licences, container files"
	@echo "make bench   measure (ratios in one run)"
	@echo "make validate  rerun the simulations behind docs/validation.md"
	@echo "make schemas write the generated JSON Schemas into schemas/"
	@echo "make options write docs/options.md from the option table"
	@echo "make api     write docs/api.md from the docstrings"
	@echo "make sbom    write dist/sbom.cdx.json: what a user's environment holds, with licences (CycloneDX)"
	@echo "make lock    resolve the dependencies again (needs the package uv)"

setup: $(VENV)/.runtime

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.pip: requirements-pip.lock | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements-pip.lock
	@touch $@

$(VENV)/.runtime: requirements.lock pyproject.toml eng5_runner/__init__.py $(VENV)/.pip
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements-dev.lock
	@touch $@

demo: setup
	$(BIN)/eng5-runner demo

# Half of what the longest tests do is waiting: for a lease to end, for a broker to come back. So there are two workers more
# than cores.
export PYTEST_XDIST_AUTO_NUM_WORKERS ?= $(shell expr $$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN) + 2)
TEST_WITH ?= $(BIN)/python
test: $(VENV)/.dev
	$(TEST_WITH) -m pytest -n auto --dist loadgroup $(TESTS)

# The floors, in percent of branches and lines: of the whole package, and of what every figure rests on.
COVERED ?= 90
COVERED_STRICTLY ?= 95
STRICTLY := core results measure judges
comma := ,
empty :=
space := $(empty) $(empty)
coverage: $(VENV)/.dev
	$(BIN)/coverage erase
	$(MAKE) --no-print-directory test TEST_WITH="$(BIN)/coverage run"
	$(BIN)/coverage combine --quiet
	@status=0; report="$(BIN)/coverage report --format=total --precision=1"; \
	echo "covered of the package, at least $(COVERED) %:"; \
	$$report --fail-under=$(COVERED) || status=$$?; \
	echo "covered of $(STRICTLY), at least $(COVERED_STRICTLY) %:"; \
	$$report --fail-under=$(COVERED_STRICTLY) --include="$(subst $(space),$(comma),$(STRICTLY:%=eng5_runner/%/*))" \
	  || status=$$?; \
	echo "file by file: $(BIN)/coverage report --skip-covered --show-missing"; \
	exit $$status

# By hand only: some 25,000 changes, each tried with the tests that reach it.
MUTATED ?= core results measure judges
SEED ?= 1
mutate: $(VENV)/.dev
	$(BIN)/python -m tests.mutation $(if $(SAMPLE),--sample $(SAMPLE) --seed $(SEED)) $(MUTATED)
	@echo "one change: $(BIN)/mutmut show NAME"

guard: $(VENV)/.dev
	$(BIN)/python -m pytest -n auto --dist loadgroup tests/guard

test-pythons:
	.ci/pythons -n auto --dist loadgroup $(TESTS)

check: $(VENV)/.dev lint-containers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/python -m tests.laws
	$(BIN)/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff
	$(BIN)/pip-licenses --summary

lint-containers: $(VENV)/.dev
	$(BIN)/hadolint Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec $(wildcard docker-compose.*.yml)
	$(BIN)/kubernetes-validate --strict --quiet --kubernetes-version 1.34 deploy/kubernetes/*.yaml

bench: $(VENV)/.dev
	$(BIN)/python -m bench

validate: $(VENV)/.dev
	$(BIN)/python -m tests.validation

schemas: $(VENV)/.dev
	$(BIN)/python -m tests.contracts.golden schemas

options: $(VENV)/.dev
	$(BIN)/python -m tests.support.options_table docs/options.md

api: $(VENV)/.dev
	$(BIN)/python -m tests.support.api_page docs/api.md

# Of an environment without the tools of development, which a user does not install.
sbom: requirements-sbom.lock
	$(MAKE) --silent VENV=.venv-runtime .venv-runtime/.runtime
	$(MAKE) --silent VENV=.venv-sbom .venv-sbom/.pip
	.venv-sbom/bin/python -m pip install --quiet --require-hashes --no-deps -r requirements-sbom.lock
	mkdir -p dist
	.venv-sbom/bin/cyclonedx-py environment .venv-runtime --pyproject pyproject.toml --output-reproducible \
	  --output-file dist/sbom.cdx.json

# The locks carry hashes and name neither an index nor a host.
LOCK := uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet
lock:
	$(LOCK) --group installer --output-file requirements-pip.lock
	$(LOCK) pyproject.toml --group build --output-file requirements.lock
	$(LOCK) --group sbom --output-file requirements-sbom.lock
	$(LOCK) pyproject.toml --group build --group dev --constraints requirements.lock --output-file requirements-dev.lock

clean:
	rm -rf $(VENV) .venv-3.* .venv-runtime .venv-sbom runs .coverage mutants .pytest_cache .mypy_cache .ruff_cache .hypothesis
