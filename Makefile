# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

SHELL := /bin/bash
.DEFAULT_GOAL := help

RUN := .venv-test/bin
export PYTHONPATH := $(CURDIR)/.cache/collections
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/.cache/collections
export SEED ?= $(shell date +%j)

.PHONY: help demo test unit local acceptance molecule lint bench soak clean distclean build environment

help: ## Show this
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t14

environment:
	@tools/bootstrap.sh venv test requirements/run.txt requirements/test.txt requirements/load.txt

demo: ## Release, refuse and roll back the example shop on three lab machines, under load
	@tools/bootstrap.sh venv run requirements/run.txt requirements/load.txt
	@PATH="$(CURDIR)/.venv-run/bin:$$PATH" .venv-run/bin/python -m tests.demo

test: unit local molecule acceptance ## Everything that proves a guarantee, fast tests first

unit: environment ## Unit tests (seconds)
	@$(RUN)/python -m pytest -q -n 2 tests/unit

local: environment ## Engines against real proxies and a real Docker Engine of this machine
	@tools/bootstrap.sh packages haproxy nginx-light openssl busybox-static debootstrap
	@$(RUN)/python -m tests.lab engine
	@$(RUN)/python -m pytest -q tests/integration_local tests/lab

acceptance: environment ## Whole releases in the lab, under load: each guarantee once, and a sample drawn by SEED
	@tools/bootstrap.sh packages debootstrap
	@PATH="$(CURDIR)/$(RUN):$$PATH" $(RUN)/python -m pytest -q tests/acceptance

molecule: environment ## One scenario a role
	@PATH="$(CURDIR)/$(RUN):$$PATH" tools/molecule.sh

lint: ## All static gates
	@tools/lint.sh

bench: environment ## The table of figures in docs/
	@PATH="$(CURDIR)/$(RUN):$$PATH" $(RUN)/python -m tests.bench

soak: environment ## The matrices whole (hours)
	@PATH="$(CURDIR)/$(RUN):$$PATH" SLIPWAY_SOAK=1 $(RUN)/python -m pytest -q tests/acceptance

build: ## The tarball for Galaxy, in dist/
	@tools/bootstrap.sh venv run requirements/run.txt requirements/load.txt
	@.venv-run/bin/ansible-galaxy collection build --force --output-path dist

clean: ## Remove the lab's machines, networks and volumes (images stay cached)
	@if [ -x .venv-run/bin/python ]; then .venv-run/bin/python -m tests.lab down; else .venv-test/bin/python -m tests.lab down; fi

distclean: clean ## And the images, environments and caches
	@if [ -x .venv-run/bin/python ]; then .venv-run/bin/python -m tests.lab clean; else .venv-test/bin/python -m tests.lab clean; fi
	@rm -rf .venv-run .venv-test .venv-lint .cache .lab dist
