# Every task of the project. `make` alone lists them.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:
# Two runs of Maven or Cargo at once would wait for, or disturb, each other; what `prepared` makes at once does not.
ifndef AT_ONCE
.NOTPARALLEL:
endif

# No rule of make names a file with a space.
ifneq ($(words $(CURDIR)),1)
$(error $(CURDIR) has spaces: move the checkout to a path without spaces)
endif

# This machine's processor. What ships is for both (docs/adr/0029-arm64.md); all else is built for this one only.
ARCH := $(shell uname -m)
OTHER_ARCH := $(if $(filter aarch64,$(ARCH)),x86_64,aarch64)
TRIPLE := $(ARCH)-unknown-linux-gnu
OTHER_TRIPLE := $(OTHER_ARCH)-unknown-linux-gnu
# Oldest C library that the native files run on: RHEL 8, Debian 10, Ubuntu 20.04 and everything newer.
GLIBC := 2.28
NATIVE_DIR := $(CURDIR)/target/$(TRIPLE)/release
NATIVE := $(NATIVE_DIR)/libcandlewick_native.so $(NATIVE_DIR)/candlewick-trainer
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
JAR := $(CURDIR)/dist/candlewick-spark-4.0_2.13-$(VERSION).jar
# The jars for Spark 3.5, by Scala.
LINES_35 := 3.5_2.12 3.5_2.13
JARS_35 := $(LINES_35:%=$(CURDIR)/dist/candlewick-spark-%-$(VERSION).jar)
JAR_35 := $(firstword $(JARS_35))
WHEEL := $(CURDIR)/dist/candlewick-$(VERSION)-py3-none-manylinux_2_28_$(ARCH).whl
PYTHON_PACKAGE := spark-package/python
STAMPS := .cache/stamps
VENV := $(CURDIR)/.venv
PYTHON := $(VENV)/bin/python
MVN := mvn -B -ntp -Dstyle.color=never -Dcandlewick.native.dir=$(NATIVE_DIR)
CARGO_TARGET := --release --target $(TRIPLE).$(GLIBC)
# `make test` builds the libraries together with their tests: the tests' dependencies switch on features of shared
# crates, and a build without them would compile everything a second time.
NATIVE_BUILD := zigbuild

# PySpark must start the tools of this environment and find the jar and package that were built here.
export PATH := $(VENV)/bin:$(PATH)
export CANDLEWICK_JAR := $(JAR)
export PYTHONPATH := $(CURDIR)/$(PYTHON_PACKAGE)
export CARGO_TERM_COLOR := never
# A Spark or Python of the user's would run in place of those of this environment (tests/conftest.py takes the same away).
unexport SPARK_HOME SPARK_CONF_DIR SPARK_REMOTE MASTER PYSPARK_PYTHON PYSPARK_DRIVER_PYTHON

# An environment in the folder $(1), unless a whole one is there: one whose making was ended has a Python and no pip.
venv = $(1)/bin/python -m pip --version >/dev/null 2>&1 || python3 -m venv --clear $(1)

JVM_SOURCES := $(shell find jvm-bridge spark-package examples -path '*/target' -prune -o \( -name '*.java' -o -name '*.scala' -o -name pom.xml \) -print 2>/dev/null) pom.xml
PYTHON_SOURCES := $(shell find $(PYTHON_PACKAGE)/candlewick -name '*.py' 2>/dev/null) $(PYTHON_PACKAGE)/pyproject.toml $(PYTHON_PACKAGE)/README.md

.PHONY: help setup demo test check bench bench-engine bench-feed bench-types bench-ops bench-scoring bench-growth large soak flaky docs scaladoc matrix gpu gpu-pack dist-gpu rehearsal machete miri memcheck golden dist clean fmt generate native native-other arm64 lint prepared test-rust test-spark test-jvm run-jvm run-outside jvm-tests test-python bench-spill simulate chaos bench-recovery bench-plan bench-elastic bench-allreduce bench-startup bench-guard test-guard bench-precision bench-transform bench-compression bench-overlap bench-scaling bench-sparse bench-local-steps bench-trainers

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.stamp ## install the Python tools into .venv; say which programs are missing

demo: $(JAR) ## build, then train and score handwritten digits through spark-submit on local-cluster
	SPARK_LOCAL_IP=127.0.0.1 spark-submit --master 'local-cluster[2,1,1024]' --jars $(JAR) \
	  --conf spark.ui.enabled=false --conf spark.log.level=ERROR --conf spark.driver.host=127.0.0.1 \
	  --conf spark.driver.bindAddress=127.0.0.1 examples/python/digits.py --out target/demo

test chaos: NATIVE_BUILD := zigbuild --lib --bins --tests
test: prepared lint test-rust test-spark ## build everything and run every check and every test

check: lint $(VENV)/.stamp ## fast: formatters, linters, unit tests that need no Spark
	cargo-zigbuild test --workspace --lib --bins $(CARGO_TARGET)
	$(PYTHON) -m pytest -q $(PYTHON_PACKAGE)/tests tests/house

bench: $(JAR) .cache/bench-venv/.stamp ## side-by-side benchmarks (benchmarks/README.md)
	$(PYTHON) benchmarks/run.py --python $(CURDIR)/.cache/bench-venv/bin/python

bench-engine: $(VENV)/.stamp .cache/bench-venv/.stamp ## the engine next to PyTorch: training steps and forward passes (BF16=bf16_amx on processors with AMX)
	cargo-zigbuild build $(CARGO_TARGET) -p candlewick-model --bench workloads
	$(PYTHON) benchmarks/engine.py --python $(CURDIR)/.cache/bench-venv/bin/python \
	  --bench "$$(ls -t target/$(TRIPLE)/release/deps/workloads-* | grep -v '\.d$$' | head -n 1)" --bf16 $(or $(BF16),bf16)

bench-ops: $(VENV)/.stamp ## one benchmark for every hot operation of the engine (FILTER=lstm THREADS=2)
	cargo-zigbuild build $(CARGO_TARGET) -p candlewick-model --bench operations
	THREADS=$(or $(THREADS),1) "$$(ls -t target/$(TRIPLE)/release/deps/operations-* | grep -v '\.d$$' | head -n 1)" \
	  --bench $(FILTER)

# The whole workspace, so that the crates that the tests use are not compiled once more.
bench-guard: $(VENV)/.stamp ## instructions of the hot operations next to the committed ones, by Valgrind (WRITE=1 commits them)
	@mkdir -p target
	cargo-zigbuild build $(CARGO_TARGET) --workspace --bench guard --message-format=json > target/guard.json
	$(PYTHON) benchmarks/guard.py $(if $(WRITE),--write) target/guard.json

bench-allreduce: $(VENV)/.stamp .cache/bench-venv/.stamp ## allreduce between processes of one host, next to gloo and Open MPI (ROUNDS=5)
	cargo-zigbuild build $(CARGO_TARGET) -p candlewick-collective --bench allreduce
	$(PYTHON) benchmarks/allreduce.py --rounds $(or $(ROUNDS),5) --python $(CURDIR)/.cache/bench-venv/bin/python \
	  --bench "$$(ls -t target/$(TRIPLE)/release/deps/allreduce-* | grep -v '\.d$$' | head -n 1)"

bench-scaling: $(VENV)/.stamp ## the model of the allreduce next to trainers on slow networks, drawn to 1,024 (as root, on Linux); 6 minutes
	cargo-zigbuild build $(CARGO_TARGET) -p candlewick-collective --bench allreduce
	$(PYTHON) benchmarks/scaling.py --json benchmarks/results/$(VERSION)/scaling.json --plot docs/images/scaling.svg \
	  --bench "$$(ls -t target/$(TRIPLE)/release/deps/allreduce-* | grep -v '\.d$$' | head -n 1)"

bench-compression: $(VENV)/.stamp ## loss and accuracy with compressed gradients, and their bytes (SEEDS=5); 5 minutes
	cargo-zigbuild build $(CARGO_TARGET) -p candlewick-trainer --bin candlewick-trainer
	PYTHONPATH=spark-package/python $(PYTHON) benchmarks/compression.py --seeds $(or $(SEEDS),5) \
	  --trainer target/$(TRIPLE)/release/candlewick-trainer

bench-overlap: $(VENV)/.stamp ## steps of two trainers joined by a slow network, and what of the exchange is hidden; as root (RATE=1gbit NETWORKS="cnn encoder" ROUNDS=3; LOSS=100mbit,5 OF=mlp)
	cargo-zigbuild build $(CARGO_TARGET) -p candlewick-trainer --bench slow_link --bins
	for network in $(or $(NETWORKS),cnn encoder); do \
	  "$$(ls -t target/$(TRIPLE)/release/deps/slow_link-* | grep -v '\.d$$' | head -n 1)" step $(or $(RATE),1gbit) $$network $(or $(ROUNDS),3); \
	done
	"$$(ls -t target/$(TRIPLE)/release/deps/slow_link-* | grep -v '\.d$$' | head -n 1)" loss $(or $(LOSS),100mbit) $(or $(OF),mlp)

bench-local-steps: $(VENV)/.stamp ## loss and accuracy of shards that make steps by themselves, and their bytes (SEEDS=5); 4 minutes
	cargo-zigbuild build $(CARGO_TARGET) -p candlewick-trainer --bin candlewick-trainer
	PYTHONPATH=spark-package/python $(PYTHON) benchmarks/local_steps.py --seeds $(or $(SEEDS),5) \
	  --trainer target/$(TRIPLE)/release/candlewick-trainer

bench-spill: $(VENV)/.stamp ## an epoch whose rows are on disk next to one from memory (FOLDER= ROWS=200000 ONLY=container; 2,000,000: 8 GB of memory, 20 minutes)
	cargo-zigbuild build $(CARGO_TARGET) -p candlewick-trainer --bench rows_on_disk --bins
	CANDLEWICK_TEST_TRAINER=$(CURDIR)/target/$(TRIPLE)/release/candlewick-trainer \
	  "$$(ls -t target/$(TRIPLE)/release/deps/rows_on_disk-* | grep -v '\.d$$' | head -n 1)" $(or $(FOLDER),$${TMPDIR:-/tmp}) $(or $(ROWS),200000) "$(ONLY)"

# Not part of `test`: its tool chain is 1.2 GB (docs/gpu.md).
gpu: $(STAMPS)/tools ## build the trainer for NVIDIA GPUs, run the engine's tests on one if there is one
	tools/gpu.sh $(TRIPLE)

dist-gpu: gpu $(VENV)/.stamp ## the artifact candlewick-cuda: jar and wheel with the trainer for NVIDIA GPUs, in dist/
	$(PYTHON) -m tools.dist cuda-jar --native $(CURDIR)/dist/gpu
	$(PYTHON) -m tools.dist cuda-wheel

machete: $(STAMPS)/machete ## dependencies of crates that nothing uses
	.cache/machete/bin/cargo-machete

miri: ## the tests of unsafe code under Miri (needs a nightly Rust with Miri)
	tools/unsafe.sh miri

# Not part of `test`: it needs qemu, and is slow.
arm64: $(VENV)/.stamp ## on x86-64: what is built for ARM, under qemu, gives the bits of x86-64
	tools/arm64.sh $(GLIBC)

memcheck: $(VENV)/.stamp ## the tests of unsafe code under Valgrind
	tools/unsafe.sh memcheck

gpu-pack: $(STAMPS)/tools $(VENV)/.stamp ## what tools/gpu-check.sh needs, in dist/gpu-pack (DEVICE=cpu: a rehearsal)
	tools/gpu-pack.sh $(TRIPLE) $(or $(DEVICE),cuda)

simulate: $(VENV)/.stamp ## the coordinator among simulated trainers, clock and network (SEEDS=20000 SEED=1)
	CANDLEWICK_SIMULATE_SEEDS=$(or $(SEEDS),20000) CANDLEWICK_SIMULATE_SEED=$(or $(SEED),1) \
	  CANDLEWICK_COMMIT=$$(git describe --always --dirty 2>/dev/null) \
	  cargo-zigbuild test --workspace --lib $(CARGO_TARGET) -- --nocapture every_simulated_fit

chaos: native ## fits on real Spark with seeded faults, all of which must give one model (RUNS=200 SEED=1)
	CANDLEWICK_CHAOS_RUNS=$(or $(RUNS),200) CANDLEWICK_CHAOS_SEED=$(or $(SEED),1) $(MVN) test -pl jvm-bridge,spark-package -am \
	  -Dtest=None -Dsurefire.failIfNoSpecifiedTests=false -Dsuites=candlewick.fit.ChaosSuite

bench-recovery: $(JAR) $(WHEEL) ## what a lost trainer costs (ROUNDS=7)
	$(PYTHON) benchmarks/recovery.py --rounds $(or $(ROUNDS),7)

bench-startup: $(JAR) $(WHEEL) ## the first fit of a session and later ones, by phase, next to Spark's own write (ROUNDS=5)
	$(PYTHON) benchmarks/startup.py --rounds $(or $(ROUNDS),5)

bench-trainers: $(JAR) $(WHEEL) ## a step of two trainers next to a step of one on the same rows (ROUNDS=5)
	$(PYTHON) benchmarks/trainers.py --rounds $(or $(ROUNDS),5)

bench-precision: $(JAR) $(WHEEL) ## loss curves in bf16 next to f32, on three real sets (EPOCHS=20)
	$(PYTHON) benchmarks/precision.py --epochs $(or $(EPOCHS),20)

bench-plan: $(JAR) $(WHEEL) ## what plan(df) says next to what fits need (ROUNDS=3)
	$(PYTHON) benchmarks/plan.py --rounds $(or $(ROUNDS),3)

bench-elastic: $(JAR) $(WHEEL) ## what a slow trainer, and one that joins, cost (ROUNDS=3)
	$(PYTHON) benchmarks/elastic.py --rounds $(or $(ROUNDS),3)

bench-feed: $(JAR) $(WHEEL) $(if $(PEERS),.cache/bench-venv/.stamp) ## rows into the trainers: first and warm, kinds of columns, next to raw Flight and memcpy (ROUNDS=5 PEERS=1)
	cargo-zigbuild build $(CARGO_TARGET) -p candlewick-trainer --bench feed
	$(PYTHON) benchmarks/feed.py --rounds $(or $(ROUNDS),5) \
	  $(if $(PEERS),--dense --peers $(CURDIR)/.cache/bench-venv/bin/python) \
	  --bench "$$(ls -t target/$(TRIPLE)/release/deps/feed-* | grep -v '\.d$$' | head -n 1)"

bench-types: $(JAR) $(WHEEL) ## what rows of each type take in the trainers, and their feed (ROUNDS=5); 3 minutes
	$(PYTHON) benchmarks/feature_types.py --rounds $(or $(ROUNDS),5)

bench-sparse: $(JAR) $(WHEEL) ## a million sparse rows of 2^18 features end to end, and a set that a peer publishes: seconds, memory (ROUNDS=5)
	$(PYTHON) benchmarks/sparse_rows.py --rounds $(or $(ROUNDS),5)

bench-scoring: $(JAR) $(WHEEL) ## what the scoring operator costs
	$(PYTHON) benchmarks/scoring.py

bench-transform: $(JAR) .cache/bench-venv/.stamp ## transform next to predict_batch_udf with PyTorch and to the engine alone (ROUNDS=5); 6 minutes
	cargo-zigbuild build $(CARGO_TARGET) -p candlewick-model --bench forward
	.cache/bench-venv/bin/python benchmarks/transform.py --rounds $(or $(ROUNDS),5) \
	  --bench "$$(ls -t target/$(TRIPLE)/release/deps/forward-* | grep -v '\.d$$' | head -n 1)"

bench-growth: $(JAR) $(WHEEL) ## how a fit grows with rows, features, partitions, trainers (ROUNDS=5); 8 minutes
	$(PYTHON) benchmarks/growth.py --rounds $(or $(ROUNDS),5) --json benchmarks/results/$(VERSION)/growth.json --plot docs/images/growth.svg

soak: $(JAR) $(VENV)/.stamp ## fits in one session, good, failing, ended, struck: what it holds must stay flat (FITS=600)
	$(PYTHON) -m tests.e2e.soak --fits $(or $(FITS),600)

large: $(JAR) $(WHEEL) ## a model of more than 2 GiB on every road that weights take; 14 GB of memory, 7 minutes
	$(PYTHON) benchmarks/large.py

flaky: native $(JAR) ## run tests again and again, under load and on one core (SUITE=rust|jvm|python FILTER= N=20)
	$(PYTHON) -m tools.flaky --suite $(or $(SUITE),all) --filter '$(FILTER)' --rounds $(or $(N),20)

dist: native native-other $(STAMPS)/jvm $(LINES_35:%=$(STAMPS)/jvm-%) $(VENV)/.stamp ## build dist/*.jar and dist/*.whl, for x86-64 and ARM
	for line in 4.0_2.13 $(LINES_35); do \
	  $(PYTHON) -m tools.dist jar --line $$line --native $(NATIVE_DIR) --native target/$(OTHER_TRIPLE)/release; \
	done
	$(PYTHON) -m tools.dist wheel

# Not all part of `test`: 2 GB of PySpark. `test` has the oldest and the newest.
matrix: $(JARS_35) $(WHEEL) ## every jar on every Spark that it serves: link check, and one script end to end
	$(PYTHON) -m tools.matrix all

docs: .cache/docs-venv/.stamp $(VENV)/.stamp ## the site of the documents, in dist/site; a link that leads nowhere fails it
	NO_MKDOCS_2_WARNING=1 .cache/docs-venv/bin/mkdocs build
	@echo "dist/site/index.html (its search needs a server: python3 -m http.server -d dist/site)"

# Its own target: it compiles the Scala first, and the documents do not need it.
scaladoc: $(STAMPS)/tools ## the Scaladoc, which `make docs` then takes into the site
	$(MVN) -q process-classes -Pscaladoc -pl spark-package -am

fmt: $(VENV)/.stamp ## format Rust, Scala, Java and Python
	cargo fmt --all
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .
	$(MVN) -q spotless:apply

generate: $(VENV)/.stamp ## write the builders, parameters and their docs anew from the Rust catalogue
	cargo-zigbuild run -q $(CARGO_TARGET) -p candlewick-codegen

# Not part of `test`: the tests read the files, and need neither PyTorch nor scikit-learn; those that need PyTorch run here.
golden: .cache/golden-venv/.stamp ## write the golden files anew: those of PyTorch and scikit-learn, and of the protocol's rules
	for script in $$(git ls-files '*/golden/make_*.py'); do \
	  echo "$$script"; \
	  (cd "$$(dirname "$$script")" && CUDA_VISIBLE_DEVICES= $(CURDIR)/.cache/golden-venv/bin/python -W ignore "$$(basename "$$script")"); \
	done
	CUDA_VISIBLE_DEVICES= .cache/golden-venv/bin/python -m pytest -q spark-package/python/tests/test_torch_live.py
	git status --short -- '*/golden/*'

clean: ## remove everything that was built (.venv stays)
	rm -rf target dist .cache jvm-bridge/target spark-package/target examples/target

# What a fresh clone needs before it can build, each on one core: Python's tools, an older PySpark, Maven's formatters.
prepared: $(STAMPS)/tools
	$(MAKE) AT_ONCE=yes -j 3 $(VENV)/.stamp .cache/matrix/3.5/.stamp $(STAMPS)/jvm-format

# The cheapest first. The whole workspace is built before the generator is asked: built alone it would have
# dependencies with other features, compiled a second time.
lint: $(VENV)/.stamp $(STAMPS)/jvm-format
	cargo fmt --all --check
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(PYTHON) -m tools.architecture
	$(MAKE) native NATIVE_BUILD='$(NATIVE_BUILD)'
	$(NATIVE_DIR)/candlewick-codegen --check
	cargo clippy --release --target $(TRIPLE) --workspace --all-targets -q -- -D warnings

test-rust: native
	cargo-zigbuild test --workspace $(CARGO_TARGET)

# Where Valgrind is, on the processor that the committed numbers are for.
test-guard: native
	if [ "$(ARCH)" = x86_64 ] && command -v valgrind >/dev/null; then $(MAKE) bench-guard; else echo "test-guard: not run, it needs valgrind on x86-64"; fi

# Suites that start Spark leave a third of two cores idle: those of the JVM and of Python run side by side. All is built before.
test-spark: jvm-tests $(JAR) $(WHEEL) rehearsal .cache/matrix/3.5/.stamp target/class-archive/spark.jsa
	$(PYTHON) -m tools.beside --log target/test-jvm.log \
	  --behind $(MAKE) -k test-guard run-jvm run-outside NATIVE_BUILD='$(NATIVE_BUILD)' \
	  --before $(PYTHON) -m pytest $(PYTHON_PACKAGE)/tests tests/e2e

test-jvm: jvm-tests rehearsal run-jvm

# The phase that jvm-tests goes to, in which classes come from the same jars: with others all would be compiled again.
run-jvm:
	$(MVN) verify -pl jvm-bridge,spark-package -am

# The tests of examples, packages and tools: those of Spark take longer than the suites of the JVM.
run-outside:
	$(PYTHON) -m pytest tests --ignore tests/e2e

test-python: jvm-tests $(JAR) $(WHEEL) rehearsal .cache/matrix/3.5/.stamp target/class-archive/spark.jsa
	$(PYTHON) -m pytest

# Of PySpark's classes, which the jar that makes it does not change.
target/class-archive/spark.jsa: requirements-dev.txt tools/class_archive.py tests/e2e/archived.py | $(JAR)
	$(PYTHON) -m tools.class_archive $@

# With the examples, which the tests of Python start.
jvm-tests: native
	$(MVN) -q verify -DskipTests
	@mkdir -p $(STAMPS) && touch $(STAMPS)/jvm

$(STAMPS)/tools: tools/need.sh
	@tools/need.sh
	@mkdir -p $(@D) && touch $@

$(STAMPS)/machete: | $(STAMPS)/tools
	cargo install -q cargo-machete --version 0.9.1 --locked --root .cache/machete
	@mkdir -p $(@D) && touch $@

# Python compiles what is imported: all at once is half of the installation's time.
$(VENV)/.stamp: requirements-dev.txt | $(STAMPS)/tools
	$(call venv,$(VENV))
	$(PYTHON) -m pip install -q --disable-pip-version-check --no-compile -r requirements-dev.txt
	touch $@

.cache/bench-venv/.stamp: benchmarks/requirements.txt requirements-dev.txt | $(STAMPS)/tools
	$(call venv,$(@D))
	$(@D)/bin/python -m pip install -q --disable-pip-version-check -r benchmarks/requirements.txt
	touch $@

.cache/docs-venv/.stamp: requirements-docs.txt requirements-dev.txt | $(STAMPS)/tools
	$(call venv,$(@D))
	$(@D)/bin/python -m pip install -q --disable-pip-version-check -r requirements-docs.txt
	touch $@

.cache/golden-venv/.stamp: model/tests/golden/requirements.txt requirements-dev.txt | $(STAMPS)/tools
	$(call venv,$(@D))
	$(@D)/bin/python -m pip install -q --disable-pip-version-check -r model/tests/golden/requirements.txt
	touch $@

.cache/matrix/%/.stamp: tools/matrix.py requirements-dev.txt | $(STAMPS)/tools
	python3 -m tools.matrix install $*
	touch $@

# Cargo knows best what is stale: it is asked every time and leaves files alone that are up to date.
native: $(VENV)/.stamp
	cargo-zigbuild $(NATIVE_BUILD) --workspace $(CARGO_TARGET)

$(NATIVE): native ;

# The trainer for GPUs and the library that scores on them, as tests have them: candle on processors. With a test of the workspace
# selected its dependencies have the features that `make test` has compiled them with; one of another crate, since a test of the
# trainer would build the programs that ship once more, with candle in them.
rehearsal: native
	cargo-zigbuild build $(CARGO_TARGET) --workspace --features candlewick-trainer/candle,candlewick-scoring/candle \
	  --bin candlewick-trainer-rehearsal --example candlewick_score_rehearsal --test algorithms

# Only what ships: tests of the other processor are those of `make arm64`.
native-other: $(VENV)/.stamp
	rustup target add $(OTHER_TRIPLE)
	cargo-zigbuild zigbuild --release --target $(OTHER_TRIPLE).$(GLIBC) -p candlewick-native -p candlewick-trainer --lib --bins

$(STAMPS)/jvm: $(JVM_SOURCES) | $(STAMPS)/tools
	$(MVN) -q compile -pl jvm-bridge,spark-package
	@mkdir -p $(@D) && touch $@

$(STAMPS)/jvm-3.5_2.12: PROFILES := spark-3.5
$(STAMPS)/jvm-3.5_2.13: PROFILES := spark-3.5,scala-2.13
$(LINES_35:%=$(STAMPS)/jvm-%): $(STAMPS)/jvm-%: $(JVM_SOURCES) | $(STAMPS)/tools
	$(MVN) -q compile -P$(PROFILES) -pl jvm-bridge,spark-package
	@mkdir -p $(@D) && touch $@

$(STAMPS)/jvm-format: $(JVM_SOURCES) .scalafmt.conf | $(STAMPS)/tools
	$(MVN) -q spotless:check
	@mkdir -p $(@D) && touch $@

$(JAR): $(NATIVE) $(STAMPS)/jvm tools/dist.py tools/licences.py LICENSE $(VENV)/.stamp
	$(PYTHON) -m tools.dist jar --native $(NATIVE_DIR)

$(JARS_35): $(CURDIR)/dist/candlewick-spark-%-$(VERSION).jar: $(NATIVE) $(STAMPS)/jvm-% tools/dist.py tools/licences.py LICENSE $(VENV)/.stamp
	$(PYTHON) -m tools.dist jar --native $(NATIVE_DIR) --line $*

$(WHEEL): $(JAR) $(JAR_35) $(PYTHON_SOURCES)
	$(PYTHON) -m tools.dist wheel
