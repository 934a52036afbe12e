PYTHON ?= python3
STAMP := .venv/.installed

.PHONY: install test demo lint types imports bench bench-quick clean

install: $(STAMP)

# The stamp is written last: an install that was interrupted starts again from a new environment.
$(STAMP): pyproject.toml constraints.txt
	rm -f $(STAMP)
	test -x .venv/bin/pip && .venv/bin/pip --version > /dev/null 2>&1 || { rm -rf .venv; $(PYTHON) -m venv .venv; }
	.venv/bin/pip install --quiet --constraint constraints.txt torch
	.venv/bin/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(STAMP)

test: install
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n logical --dist worksteal $(ARGS)

demo: install
	.venv/bin/retia demo

lint: install
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

types: install
	.venv/bin/pyright

imports: install
	.venv/bin/lint-imports

bench: install
	failed=; for script in $(filter-out benchmarks/quick.py,$(wildcard benchmarks/*.py)); do echo "== $$script"; OMP_NUM_THREADS=1 .venv/bin/python $$script || failed="$$failed $$script"; done; \
	test -z "$$failed" || { echo "failed, or lacks a table:$$failed"; exit 1; }

# Two minutes on two idle cores; which figures of RESULTS.md are older than their sources stands above.
bench-quick: install
	.venv/bin/python benchmarks/stale.py
	OMP_NUM_THREADS=1 .venv/bin/python benchmarks/quick.py

clean:
	rm -rf .venv
