# Everything here sets up what it needs: .venv with the pinned versions, about 7 GB (torch), once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo table1 leaderboard test test-fast test-slow test-all golden families compat browser check docs dist lock setup clean

demo: $(READY)  ## learn, forget and score on a laptop: tables in runs/demo
	@$(BIN)/python -m unlearn.demo

table1: $(READY)  ## every method on every target, five seeds, about an hour: runs/table1
	@$(BIN)/python -m unlearn.table1

BOARD := runs/leaderboard/board
leaderboard: $(READY)  ## the demo's runs as a leaderboard: runs/leaderboard/site/index.html
	@$(BIN)/python -m unlearn.demo
	@rm -rf $(BOARD) && mkdir -p $(BOARD) && cp benchmarks/leaderboard/board.json $(BOARD)
	@for run in ga-person gd-person simnpo-person ga-event gd-event simnpo-event; do \
		$(BIN)/pebench submit runs/demo/scores/$$run --name $$run --link https://arxiv.org/abs/2503.12545 \
			--out $(BOARD) || exit 1; done
	@$(BIN)/pebench leaderboard check $(BOARD) --data runs/demo/data
	@$(BIN)/pebench leaderboard build $(BOARD) --data runs/demo/data --out runs/leaderboard/site

# Processes of one thread, each with whole files (the longest first: tests/conftest.py), so that a file's fixtures are made once.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test: $(READY)  ## every feature in a real run, in minutes
	@$(PYTEST) -m "not slow"

test-fast: test  ## its former name

test-slow: $(READY)  ## what takes longer: the whole demo, further methods, seeds and moments to be killed at
	@$(PYTEST) -m slow

test-all: test test-slow  ## all tests: both, then the matrix of model families, another half an hour
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/families -m families --numprocesses logical --dist loadgroup

golden: $(READY)  ## rewrite tests/golden, where users are meant to see a change
	@$(BIN)/python -m pytest tests/test_golden.py --rewrite-golden

FAMILIES := runs/families.json
families: $(READY)  ## every model family, about half an hour: benchmarks/results/families.md
	@$(BIN)/python -m pytest tests/families --families --numprocesses auto --dist loadgroup --verbose \
		--outcomes $(FAMILIES); found=$$?; \
		$(BIN)/python tests/families/support_page.py $(FAMILIES) benchmarks/results/families.md && exit $$found

compat: $(READY)  ## transformers and lmms-eval in many versions, about an hour (needs the network): benchmarks/results/compat.md
	@$(BIN)/python tests/compat/compat.py

check: $(READY)  ## lint, format, layers, types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-cache setup.cfg
	@$(BIN)/mypy

docs: $(READY)  ## the documentation, strictly: site/index.html
	@$(BIN)/python docs/assemble.py build/docs
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "site/index.html; with its search:  python3 -m http.server -d site"

browser:  ## Debian's Chromium, which the tests of the pages open
	@command -v chromium >/dev/null || (apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core)

dist: $(READY)  ## what is published: dist/, a source distribution and the wheel that is made from it
	@rm -rf dist && $(BIN)/python -m build --no-isolation --outdir dist .

lock: $(READY)  ## requirements.lock: constraints.txt for every platform, with hashes (needs the network)
	@$(BIN)/uv pip compile setup.cfg --extra dev --extra docs --extra judge --universal --python-version 3.11.5 \
		--constraint constraints.txt --generate-hashes --no-annotate --custom-compile-command "make lock" --quiet \
		--output-file requirements.lock

setup: $(READY)

$(READY): setup.cfg setup.py pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "PEBench needs Python 3.11 or newer; say which with: make PYTHON=python3.11" >&2; exit 1; }
	@echo "Setting up $(VENV): about 7 GB because of torch, a few minutes, once."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,docs]'
	@touch $(READY)

clean:  ## drop the environment, the demo's runs and the built documentation
	rm -rf $(VENV) runs build/docs site
