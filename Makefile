# A fresh machine with Python 3.11 (or 3.12, 3.13) and make is enough: `make demo` and `make test` set up the rest.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

.PHONY: setup demo demo-shrink study test test-soundness test-fuzz test-faults test-versions bench margins figures models problems
.DEFAULT_GOAL := setup

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

setup: $(INSTALLED)

demo: $(INSTALLED)
	rm -rf runs/demo
	$(BIN)/sobolev-pruning run examples/gaussian_basket.toml --out runs/demo

demo-shrink: $(INSTALLED)
	$(BIN)/python examples/shrink_basket.py

# Within an hour on two cores; `make study` again goes on with a study that was stopped.
study: $(INSTALLED)
	$(BIN)/sobolev-pruning study examples/study_basket.toml --out runs/study $(if $(wildcard runs/study/config.toml),--resume)

test: $(INSTALLED)
	$(BIN)/python -m pytest tests --numprocesses 2 --dist worksteal

# By the code generator that users' own programs are compiled by; `make test` uses the one that compiles faster.
test-soundness: $(INSTALLED)
	XLA_FLAGS=--xla_cpu_use_fusion_emitters=true $(BIN)/python -m pytest tests/soundness tests/test_certificates_known_claims.py -m soundness --capture=no

test-fuzz: $(INSTALLED)
	$(BIN)/python -m pytest tests -m fuzz

# Commands killed and interrupted at random moments, full disks, two writers; half an hour on two cores.
test-faults: $(INSTALLED)
	$(BIN)/python -m pytest tests/test_faults.py -m faults

# In environments of their own, the lowest versions that pyproject.toml allows and the newest there are; the deprecations
# of others are no errors there. A newer Python for the newest: make test-versions NEWEST_PYTHON=python3.13.
NEWEST_PYTHON ?= $(PYTHON)
USE_OF_VERSIONS := $(addprefix tests/test_,cli.py cli_models.py cli_sample.py surrogate_files.py data_files.py \
	interchange_onnx_in.py interchange_onnx_out.py interchange_c_out.py certificates_claims.py enclosure_interval.py \
	enclosure_coverage.py training_fit.py running_config.py running_terminal.py processes.py)

test-versions:
	rm -rf .venv-lowest .venv-newest
	$(PYTHON) -m venv .venv-lowest
	$(PYTHON) tests/lowest_versions.py > .venv-lowest/versions.txt
	.venv-lowest/bin/python -m pip install --quiet --requirement .venv-lowest/versions.txt --editable .
	.venv-lowest/bin/python -m pytest $(USE_OF_VERSIONS) --numprocesses 2 --dist loadfile -o filterwarnings=default
	$(NEWEST_PYTHON) -m venv .venv-newest
	.venv-newest/bin/python -m pip install --quiet --editable ".[sde,parquet,dask,hdf5,test]"
	.venv-newest/bin/python -m pytest $(USE_OF_VERSIONS) --numprocesses 2 --dist loadfile -o filterwarnings=default

bench: $(INSTALLED)
	$(BIN)/python benchmarks/run.py

margins: $(INSTALLED)
	$(BIN)/python benchmarks/rounding_margins.py

figures: $(INSTALLED)
	$(BIN)/python benchmarks/figures.py
	$(BIN)/python benchmarks/figures.py --config examples/basket_fixed_pairs.toml --out runs/figures-fixed-pairs

# Every model's figures and pictures, in docs/models.md and docs/pictures.
models: $(INSTALLED)
	$(BIN)/python benchmarks/models.py

# Simulators, data and networks by `run` with its defaults, beside what is asked for; an hour on two cores.
problems: $(INSTALLED)
	$(BIN)/python benchmarks/problems.py

# Installed again whenever the pinned versions or the package's own metadata change. pip is kept from resolving or
# fetching anything beyond the pins: no dependencies of dependencies, and the build runs on the pinned setuptools.
$(INSTALLED): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || { \
		echo "$(PYTHON) is missing or not Python 3.11 to 3.13: install one and name it, as in 'make PYTHON=python3.11'."; \
		exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments with pip: install its venv package (on Debian and Ubuntu:" \
			"apt-get install python3-venv) and run make again."; \
		exit 1; }
	@echo "Setting up $(VENV) with the pinned versions; this is done once and takes a minute or two."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --no-deps --requirement requirements.txt
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
