# Each target is one plain command line, so make is optional. Needs .venv (bash scripts/test makes it).
PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: fmt lint types imports test check full demo lock

fmt: ; ruff format . && ruff check --fix .
lint: ; ruff format --check . && ruff check .
types: ; mypy
imports: ; lint-imports
test: ; python -m pytest
check: lint types imports test
full: ; bash scripts/test --full
demo: ; bash scripts/demo
lock: ; bash scripts/lock
