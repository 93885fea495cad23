# Two commands are all it takes: `make demo` and `make test`. Both set up what they need in .venv.

PORT ?= 8000
# A Python to make the virtual environment with: the first that is new enough and can make one.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	&& echo $$python && break; done)
ARGS ?=
TIMES ?= 3

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
KICK := $(PIP) --build-constraint constraints.txt
PYTEST := $(BIN)/python -m pytest
# Processes that run tests side by side: two a core (tests/conftest.py says why), or as many as WORKERS says.
WORKERS ?= auto
PARALLEL := --numprocesses $(WORKERS) --dist worksteal
QUICK := not process and not redis and not postgres and not browser and not project and not chaos and not slow and not long and not nightly
BENCH := .venv-bench/bin/python -m pip --disable-pip-version-check install --quiet --constraint benchmarks/constraints.txt
EXAMPLES := $(dir $(wildcard examples/*/app.py))
DEMO_NEEDS := $(wildcard examples/auth/requirements.txt)

# Tests import hundreds of files: each process that may not keep their bytecode compiles them again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
# Make runs one target after another, but for tests beside type checks, and the parts of `check` and `types`.
ifndef SIDE_BY_SIDE
.NOTPARALLEL:
endif
.DELETE_ON_ERROR:
.PHONY: help demo dev test test-long test-all test-busy audit check quick chaos soak fuzz mutations nightly test-versions docs dist lint types mypy pyright \
	short long unit format programs firefox clean \
	bench bench-session bench-micro bench-growth bench-latency bench-connections

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: .venv/.demo ## serve examples/auth on http://127.0.0.1:8000 (PORT=8080 for another port)
	@cd examples/auth && exec ../../$(BIN)/kick dev app:app --port $(PORT)

dev: demo ## the same, by its name in the projects of `kick new`

test: programs lint ## ruff, mypy, and all tests but the long ones (5 minutes on two cores)
	@$(MAKE) --no-print-directory --jobs 2 SIDE_BY_SIDE=1 mypy short

test-long: programs .venv/.dev ## pyright, and the long tests: with `make test`, everything but the nightly ones
	@$(MAKE) --no-print-directory --jobs 2 SIDE_BY_SIDE=1 pyright long

short: .venv/.dev
	$(PYTEST) $(PARALLEL) -m "not long and not nightly" $(ARGS)

long: .venv/.dev
	$(PYTEST) $(PARALLEL) -o faulthandler_timeout=900 -m "long and not nightly" $(ARGS)

test-all: test test-long docs audit ## both, the documentation site, and the audit

audit: .venv-audit/.ready ## look up the pinned dependencies in the advisories of Python packages
	.venv-audit/bin/python -m tools.audit

check: .venv/.dev ## for in between: ruff, mypy, a sample of the tests that need no server, browser or process (a minute)
	@$(MAKE) --no-print-directory --jobs 3 SIDE_BY_SIDE=1 quick mypy lint

# Hardly any of these tests waits, so there are fewer processes, and no threads that would end a test that hangs.
quick: .venv/.dev
	$(PYTEST) --numprocesses $(WORKERS:auto=logical) --dist worksteal --sample 3 -o faulthandler_timeout=0 -m "$(QUICK)" $(ARGS)

test-busy: programs .venv/.dev ## `make test` and `make test-long` three times, while two busy loops run on each core (TIMES=1)
	$(BIN)/python -m tools.busy --times $(TIMES) -- $(MAKE) --no-print-directory test test-long

chaos: programs .venv/.dev ## clients use sessions while stores, connections and workers fail (ARGS="--seconds 60 --stores redis")
	$(BIN)/python -m tests.chaos $(ARGS)

soak: .venv/.dev ## serve mixed traffic for half an hour, and compare memory, descriptors, tasks (ARGS="--seconds 60")
	$(BIN)/python -m tests.soak $(ARGS)

fuzz: .venv/.dev ## feed each parser with random inputs (ARGS="--inputs 1000000 --only cookie,json")
	KICK_ENV=test $(BIN)/python -m tools.fuzz $(ARGS)

mutations: .venv/.dev ## change each rule of the sessions, and list the changes that no test notices (ARGS="--modules session.races")
	KICK_ENV=test $(BIN)/python -m tools.mutation $(ARGS)

nightly: firefox .venv/.dev ## what takes more than two minutes by itself: soaks, fuzzing, every order of four requests
	KICK_EXHAUSTIVE=1 $(PYTEST) $(PARALLEL) -o faulthandler_timeout=7200 -m "nightly or exhaustive" $(ARGS)
	KICK_ENV=test $(BIN)/python -m tools.fuzz --inputs 1000000
	$(BIN)/python -m tests.chaos
	$(BIN)/python -m tests.soak

test-versions: .venv/.dev ## the tests on every Python there is, with the lowest and the newest dependencies (ONLY=3.11,3.14)
	$(BIN)/python -m tools.versions $(if $(ONLY),--only $(ONLY)) $(if $(ARGS),-- $(ARGS))

docs: .venv/.dev ## build the documentation site into build/site, and check its links (URL=https://... to publish it)
	$(BIN)/python -m tools.site $(if $(URL),--url $(URL))

dist: .venv/.dev ## build the sdist and the wheel of the last commit, twice, check them, and try the wheel
	$(BIN)/python -m tools.dist

lint: .venv/.dev ## check style with ruff
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: .venv/.dev ## check types with mypy and pyright
	@$(MAKE) --no-print-directory --jobs 2 SIDE_BY_SIDE=1 pyright mypy

# The examples have a cache of their own: with other settings, kick would be checked again for each of them.
mypy: .venv/.dev
	$(BIN)/mypy --strict kick tools tests/typing
	$(BIN)/mypy --strict examples/*.py
	@for folder in $(EXAMPLES); do echo $$folder && (cd $$folder && ../../$(BIN)/mypy --strict --cache-dir ../../.mypy_cache/examples .) || exit 1; done

pyright: .venv/.dev
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright --pythonpath $(BIN)/python

unit: .venv/.dev ## tests of your choice, one after another: ARGS="tests/http -k cookies -x"
	$(PYTEST) $(ARGS)

bench: .venv-bench/.peers ## time everyone, write docs/benchmarks.md (45 minutes; ARGS="--rows redis --only kick")
	.venv-bench/bin/python -m benchmarks $(ARGS)

bench-session: .venv-bench/.peers ## the rows with sessions, with starsessions, Litestar and Django beside kick (10 minutes)
	.venv-bench/bin/python -m benchmarks --rows memory,sqlite,redis,postgres --only raw,kick,starsessions,litestar,django $(ARGS)

bench-micro: .venv-bench/.peers ## what kick adds to raw ASGI in process, import time, memory (ARGS=--instructions)
	.venv-bench/bin/python -m benchmarks.micro $(ARGS)

bench-growth: .venv-bench/.peers ## how costs grow with routes, sessions, keys, clients (10 minutes; ARGS="--only routes,keys")
	.venv-bench/bin/python -m benchmarks.growth $(ARGS)

bench-latency: .venv-bench/.peers ## the slowest hundredth at half of the highest load, beside raw ASGI (10 minutes)
	.venv-bench/bin/python -m benchmarks.latency $(ARGS)

bench-connections: .venv/.dev ## 10,000 event streams and 10,000 WebSockets in one process (ARGS="--count 1000")
	$(BIN)/python -m benchmarks.connections $(ARGS)

format: .venv/.dev ## mend what ruff can mend by itself
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

programs: ## see that redis-server and chromium are there, install them where that is possible
	@sh tests/support/system_packages.sh

firefox: # the same, with Firefox
	@sh tests/support/system_packages.sh firefox

clean: ## remove the virtual environment and what the tools left behind
	rm -rf .venv .venv-audit .venv-bench benchmarks/apps/node/node_modules .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.pip: constraints.txt
	@if [ -z "$(PYTHON)" ]; then \
		if python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; \
		then echo "python3 cannot make virtual environments: install python3-venv (apt-get install python3-venv)" >&2; \
		else echo "kick needs Python 3.11 or later: install it, or name one with PYTHON=/path/to/python" >&2; fi; exit 1; fi
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "kick needs Python 3.11 or later, and $(PYTHON) is not that" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "$(PYTHON) cannot make virtual environments: install python3-venv (apt-get install python3-venv)" >&2; exit 1; }
	"$(PYTHON)" -m venv .venv
	$(PIP) pip
	@touch $@

.venv/.demo: .venv/.pip pyproject.toml constraints.txt $(DEMO_NEEDS)
	$(KICK) --editable '.[fast,limits,passwords,reload]' $(DEMO_NEEDS:%=--requirement %)
	@touch $@

.venv/.dev: .venv/.pip pyproject.toml constraints.txt
	$(KICK) --editable '.[all]' --group dev
	@touch $@

.venv-audit/.ready: .venv/.pip constraints.txt
	"$(PYTHON)" -m venv .venv-audit
	.venv-audit/bin/python -m pip --disable-pip-version-check install --quiet pip-audit==2.10.1
	@touch $@

.venv-bench/.peers: .venv/.pip pyproject.toml benchmarks/constraints.txt benchmarks/apps/node/package.json
	"$(PYTHON)" -m venv .venv-bench
	$(BENCH) pip
	$(BENCH) --build-constraint benchmarks/constraints.txt --editable '.[fast,postgres,redis]'
	.venv-bench/bin/python -m benchmarks.peers
	@touch $@
