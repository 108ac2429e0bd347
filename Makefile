# What you can do here. `make demo` and `make test` install what they need first (Debian packages as root or through sudo).
PYTHON := .venv/bin/python
SOURCES := secops scanners backup playbooks dashboards

.PHONY: demo test fast explore lint docs clean setup setup-dev

demo: setup          ## Play the whole story on this machine: scan, back up, attack, restore, prove
	$(PYTHON) -m secops demo

# One worker more than two cores: there is always one that waits for a server.
test: setup-dev lint     ## Everything, with the real servers
	$(PYTHON) -m pytest -n 3 --dist loadfile --no-loadscope-reorder --durations 30

fast: setup          ## The inner loop, under a minute
	$(PYTHON) -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m "not slow"

explore: setup-dev       ## Property tests on examples that nobody tried yet, more of them; each time others
	$(PYTHON) -m pytest -n 2 --dist loadfile -m hypothesis --hypothesis-profile explore

lint: setup          ## Style, types, layers
	.venv/bin/ruff check . && .venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

bench-%: setup       ## One benchmark against its peer, e.g. make bench-executor
	$(PYTHON) -m benchmarks.$(subst -,_,$*)

docs: setup          ## Write the generated reference pages and JSON Schemas
	$(PYTHON) scripts/generate_docs.py

setup:
	@scripts/setup

setup-dev:
	@scripts/setup dev

clean:               ## Remove what the targets above made
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
