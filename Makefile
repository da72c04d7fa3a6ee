# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

SHELL := /bin/bash
.DEFAULT_GOAL := help

RUN := .venv-test/bin
# Every lab that a target here makes.
LABS := lab acceptance acceptance-big bench $(addprefix molecule-,$(shell seq $(words $(wildcard molecule/*/molecule.yml))))
# Tools and drivers that tests put into images, or run here.
MIGRATION_TOOLS = tools/bootstrap.sh npm azurite@3.35.0 knex@3.3.0 liquibase@4.28.1 mysql2@3.24.6 pg@8.16.3 pm2@7.0.4 && \
	tools/bootstrap.sh venv migration-tools requirements/migration-tools.txt
# The ACME server that certificates are got from in tests.
PEBBLE := github.com/letsencrypt/pebble/v2/cmd/pebble@v2.10.3
# The real one that the provider of it is run against.
TRAEFIK := github.com/traefik/traefik/v3
ANY = $(firstword $(wildcard .venv-run/bin .venv-test/bin))
export PYTHONPATH := $(CURDIR)/.cache/collections
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/.cache/collections
export SEED ?= $(shell date +%j)

.PHONY: help demo test unit local packaging molecule acceptance lint changelog bench fuzz traefik soak build clean distclean environment

help: ## Show this
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t14

environment:
	@tools/bootstrap.sh venv test requirements/run.txt requirements/test.txt requirements/load.txt requirements/stores.txt

demo: export WITHOUT_DOCKER ?=
demo: ## Release, refuse and roll back the example shop on three lab machines, under load (WITHOUT_DOCKER=1: on this one)
	@tools/bootstrap.sh venv run requirements/run.txt requirements/load.txt
	@PATH="$(CURDIR)/.venv-run/bin:$$PATH" .venv-run/bin/python -m tests.demo

test: export SLIPWAY_SHARE ?= 30
test: export SLIPWAY_FILES ?= some
test: unit local packaging molecule acceptance ## Everything that proves a guarantee, fast tests first

unit: environment ## Unit tests (seconds)
	@$(RUN)/python -m pytest -q -n 2 tests/unit examples/shop/tests

local: environment ## Engines against real proxies and a real Docker Engine of this machine
	@tools/bootstrap.sh packages haproxy nginx-light caddy keepalived iproute2 openssl busybox-static debootstrap postgresql mariadb-server pgbackrest pgbouncer zabbix-server-pgsql zstd age certbot openssh-server
	@tools/bootstrap.sh npm-files @backstage/plugin-catalog-backend@4.0.5
	@tools/bootstrap.sh go github.com/fsouza/fake-gcs-server@v1.56.1
	@tools/bootstrap.sh go $(PEBBLE)
	@tools/bootstrap.sh venv alone requirements/alone.txt
	@tools/bootstrap.sh maven flyway
	@tools/bootstrap.sh maven changelogs
	@$(MIGRATION_TOOLS)
	@$(RUN)/python -m tests.lab engine
	@$(RUN)/python -m pytest -q -n 2 --dist loadfile --durations=20 tests/integration_local tests/lab

packaging: ## The built tarball, installed into an empty directory; what must not be in the repository
	@tools/bootstrap.sh venv packaging requirements/packaging.txt
	@.venv-packaging/bin/python -m pytest -q tests/packaging

molecule: environment ## One scenario a role, on machines of the lab
	@PATH="$(CURDIR)/$(RUN):$$PATH" tools/molecule.sh

acceptance: environment ## Whole releases in the lab, under load; of the long matrices a sample drawn by SEED
	@tools/bootstrap.sh packages debootstrap
	@tools/bootstrap.sh go $(PEBBLE)
	@tools/bootstrap.sh maven flyway
	@$(MIGRATION_TOOLS)
	@PATH="$(CURDIR)/$(RUN):$$PATH" $(RUN)/python -m pytest -q --durations=20 tests/acceptance

lint: ## All gates; `tools/lint.sh --list` names them, `tools/lint.sh NAME…` runs some
	@tools/lint.sh

changelog: ## Bring CHANGELOG.rst and changelogs/changelog.yaml up to date with the fragments and plugins
	@tools/bootstrap.sh venv lint requirements/lint.txt
	@PATH="$(CURDIR)/.venv-lint/bin:$$PATH" antsibull-changelog release --refresh --reload-plugins --update-existing

bench: environment ## The table of figures in docs/
	@tools/bootstrap.sh packages debootstrap wrk postgresql pgbackrest zstd
	@tools/bootstrap.sh maven flyway
	@tools/bootstrap.sh venv bench requirements/bench.txt
	@PATH="$(CURDIR)/$(RUN):$$PATH" $(RUN)/python -m tests.bench

fuzz: environment ## What reads migration files, with texts that nobody would write (FUZZ="--seconds 600 mysql")
	@$(RUN)/python -m tests.fuzz $(FUZZ)

traefik: environment ## The provider of Traefik against a real one, which is built first (minutes)
	@tools/bootstrap.sh go-module requirements/traefik $(TRAEFIK)/cmd/traefik $(TRAEFIK)/pkg/version.Version
	@tools/bootstrap.sh packages debootstrap
	@tools/bootstrap.sh go $(PEBBLE)
	@SLIPWAY_SOAK=1 SLIPWAY_TRAEFIK="$(CURDIR)/.cache/tools/bin/traefik" $(RUN)/python -m pytest -q -n 2 --dist loadfile --durations=20 -k traefik tests/integration_local/traffic
	@PATH="$(CURDIR)/$(RUN):$$PATH" SLIPWAY_TRAEFIK="$(CURDIR)/.cache/tools/bin/traefik" $(RUN)/python -m pytest -q --durations=20 tests/acceptance/test_traefik.py

soak: environment ## The matrices whole, of the local tests and of the acceptance tests (hours)
	@tools/bootstrap.sh packages debootstrap
	@SLIPWAY_SOAK=1 $(MAKE) --no-print-directory local
	@$(MAKE) --no-print-directory traefik
	@PATH="$(CURDIR)/$(RUN):$$PATH" SLIPWAY_SOAK=1 $(RUN)/python -m pytest -q tests/acceptance

build: ## The tarball for Galaxy, in dist/
	@tools/bootstrap.sh venv run requirements/run.txt requirements/load.txt
	@tools/build.sh .venv-run/bin/ansible-galaxy dist

clean: ## Remove the lab's machines, networks and volumes (images stay cached)
	@$(if $(ANY),for lab in $(LABS); do $(ANY)/python -m tests.lab --lab $$lab down; done)

distclean: ## And the images, environments and caches
	@$(MAKE) --no-print-directory clean
	@$(if $(ANY),$(ANY)/python -m tests.lab clean)
	@rm -rf .venv-* .cache .lab dist
