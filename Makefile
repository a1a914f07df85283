# Everything happens in .venv; each target does the set-up that it needs.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.ready

AUDIT := .venv/audit/bin/pip-audit
UV := .venv/lock/bin/uv

.PHONY: setup run test test-long mutants test-matrix bench package lint docs audit lock clean
setup: $(STAMP)

run: $(STAMP)
	$(BIN)/genre-spark demo

# Two at once: starting Java, compiling queries and small fits each keep one core busy.
test: $(STAMP)
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --durations 20

# The demo's figures on its real table, and the notebook on a sixth of it.
check-demo: $(STAMP)
	$(BIN)/python -m pytest -m long tests/pipelines/test_demo.py tests/test_notebook.py

# Whole real tables, and examples by chance that are other ones each time.
test-long: $(STAMP)
	$(BIN)/python -m pytest -m long --numprocesses 2 --dist loadfile --timeout 1800
	$(BIN)/python -m pytest -m hypothesis --hypothesis-profile new --numprocesses 2 --dist loadfile

# Which changes of a line no test notices; hours for all modules. For one:
#   make mutants MUTANTS="genre_spark.clustering.naming.*"
mutants: $(STAMP)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[test,mutants]'
	$(BIN)/python -m mutmut run --max-children 1 $(MUTANTS)
	$(BIN)/python -m mutmut results

# Says under which versions of Python and pyspark the tests pass: make test-matrix
#   MATRIX="3.12:4.3 3.11:4.0" for some pairs, MATRIX_TESTS=tests for all tests
test-matrix:
	$(PYTHON) tests/support/matrix.py $(MATRIX) $(if $(MATRIX_TESTS),--tests "$(MATRIX_TESTS)")

# Long; what single measurements need is in the README there.
bench: $(STAMP)
	$(BIN)/python benchmarks/scoring.py --tracks 4000000
	$(BIN)/python benchmarks/scoring.py --tracks 1000000 --alternatives
	$(BIN)/python benchmarks/clustering.py --tracks 4000000
	$(BIN)/python benchmarks/tables.py

# What to ship to a cluster, in dist/: see docs/cluster.md.
package: $(STAMP)
	$(BIN)/python -m genre_spark.platform.executor_archive

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python tests/support/budget.py
	@$(MAKE) --no-print-directory audit

# The documentation site; a broken link or reference fails.
docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

# In an environment of its own: what it needs is none of our business. Offline it says that it skips.
audit:
	@test -x $(AUDIT) || { $(PYTHON) -m venv .venv/audit \
	  && .venv/audit/bin/pip install --quiet --disable-pip-version-check pip-audit==2.10.1; } || true
	@found=$$($(AUDIT) --requirement .ci/requirements.lock --require-hashes --disable-pip 2>&1); \
	case "$$found" in \
	  "Found "*|*"$$(printf '\nFound ')"*) echo "$$found"; exit 1;; \
	  *"could not be audited"*) echo "audit skipped: no vulnerability data from here";; \
	  *"No known vulnerabilities"*) echo "$$found";; \
	  *) echo "audit skipped: pip-audit does not run here";; \
	esac

# Java first: where it is missing and cannot be installed, nothing is downloaded in vain.
$(STAMP): setup.py .ci/requirements.lock conf/demo-data.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11, 5))' \
	  || { echo "make needs Python 3.11.5 or newer; make PYTHON=python3.12 ..." >&2; exit 2; }
	$(PYTHON) -m genre_spark.platform.java
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --require-hashes --requirement .ci/requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/pip install --quiet --no-deps --require-hashes --requirement conf/demo-data.txt
	@touch $@

# All of constraints.txt that the tests need, with the hash of each file, for every Python at once. Run it
# after each change of setup.py or constraints.txt.
lock:
	@test -x $(UV) || { $(PYTHON) -m venv .venv/lock \
	  && .venv/lock/bin/pip install --quiet --disable-pip-version-check uv==0.13.9; }
	$(UV) pip compile --quiet --universal --python-version 3.11.5 --generate-hashes --no-annotate \
	  --custom-compile-command 'make lock' --constraint constraints.txt --extra test setup.py \
	  --output-file .ci/requirements.lock

clean:
	rm -rf .venv build dist *.egg-info genre-spark-demo
