# One door. Every target sets up what it needs and is quick when called again.
PYTHON ?= python3
BIN := .venv/bin
DEMO ?=

.PHONY: demo test check check-all fix bench pictures build clean

demo: .venv/installed   ## the main job on real data: which regularization pays off on handwritten digits
	mkdir -p .dampen
	$(BIN)/dampen compare digits --report .dampen/demo-report.html $(DEMO)

test: .venv/installed   ## all tests
	$(BIN)/python -m pytest -n auto --dist loadscope

check: .venv/installed  ## lint and types
	$(BIN)/ruff check src tests benchmarks docs examples
	$(BIN)/ruff format --check src tests benchmarks docs examples
	$(BIN)/mypy

check-all: check        ## and every pair of techniques, two steps each (minutes)
	DAMPEN_PAIRS=all $(BIN)/python -m pytest -n auto -q tests/contracts/test_pairs.py

fix: .venv/installed    ## format and safe lint fixes
	$(BIN)/ruff check --fix src tests benchmarks docs examples
	$(BIN)/ruff format src tests benchmarks docs examples

bench: .venv/installed  ## every benchmark, one after the other (long)
	for script in benchmarks/[a-z]*.py; do $(BIN)/python $$script || exit 1; done

pictures: .venv/installed  ## docs/techniques.md and a picture of what each technique does
	$(BIN)/python docs/pictures.py

build: .venv/installed  ## a wheel in dist/
	$(BIN)/pip wheel -q --no-deps -w dist .

clean:
	rm -rf .venv dist

.venv/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[postgres,export,tensorboard]' pytest pytest-xdist ruff mypy onnxruntime
	touch $@
