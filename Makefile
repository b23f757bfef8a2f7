# SPDX-License-Identifier: Apache-2.0
# Needs Go and a POSIX shell; everything else is built from pinned modules.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory
.DELETE_ON_ERROR:

GO ?= go
# Passed on to go test or to the demo, as in: make test TESTFLAGS=-v
TESTFLAGS ?=
ARGS ?=
BENCH ?= .
BENCHTIME ?= 1s
FUZZTIME ?= 30s

# The race detector needs a C compiler; without one the tests run without it,
# and say so.
RACE ?= $(if $(filter 1,$(shell $(GO) env CGO_ENABLED)),-race)

# The folders of the modules in go.work, relative to this one.
MODULES = $(shell $(GO) list -m -f '{{.Dir}}' | sed 's,^$(CURDIR),.,')
EVERYTHING = $(addsuffix /...,$(MODULES))

# Tools live in modules of their own, outside of go.work: what they require
# touches neither the library nor each other.
TOOL = GOWORK=off $(GO) tool -modfile=$(CURDIR)/tools

# $(call notempty,what) fails when a module of go.work has no package: go build
# and go test only warn about that.
define notempty
for dir in $(MODULES); do \
  [ -n "$$($(GO) list "$$dir/...")" ] || \
  { echo "$@: no Go package in module $$dir" >&2; exit 1; }; \
done
endef

.PHONY: help
help: ## Describe the targets
	@grep -hE '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{ printf "%-15s %s\n", $$1, $$2 }'

.PHONY: build
build: ## Build every module of go.work, and bin/gracetrace
	@$(notempty)
	$(GO) build $(EVERYTHING)
	$(GO) build -o bin/gracetrace ./cmd/gracetrace

.PHONY: test
test: ## Test every module of go.work with the race detector
	@$(notempty)
	$(if $(RACE),,@echo 'test: no C compiler, so without the race detector' >&2)
	$(GO) test $(RACE) $(TESTFLAGS) $(EVERYTHING)

.PHONY: floor
floor: ## Test the library alone, on the oldest versions it supports
	GOWORK=off $(GO) mod tidy -diff
	GOWORK=off $(GO) test $(TESTFLAGS) ./...

.PHONY: xds
xds: ## Test servers of package xds on the oldest grpc-go; CI does on the newest
	cd e2e/xds && GOWORK=off $(GO) test -modfile=floor.mod $(TESTFLAGS) .

# Each file is a copy of go.mod with other versions. It has to be tidy, so that a
# requirement which only go.mod got, or lost, is noticed.
.PHONY: matrix
matrix: ## Test the library alone, on versions between the oldest and the newest
	@export GOWORK=off; for mod in tools/matrix/*.mod; do \
	  (set -x; $(GO) mod tidy -diff -modfile=$$mod; $(GO) test -modfile=$$mod $(TESTFLAGS) ./...); \
	done

.PHONY: cover
cover: ## Test with coverage and print the total; details in cover.out
	$(GO) test -coverprofile=cover.out -coverpkg=./... ./...
	$(GO) tool cover -func=cover.out | tail -1

.PHONY: cross
cross: ## Build the library and the command for macOS and Windows
	GOOS=darwin $(GO) build ./...
	GOOS=windows $(GO) build ./...

.PHONY: demo
demo: ## Stop a server that is held up in every way and show why (ARGS=...)
	$(GO) run ./cmd/gracetrace demo $(ARGS)

.PHONY: bench
bench: ## Run the benchmarks (BENCH=regexp, BENCHTIME=1s); results in bench.out
	@$(notempty)
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -benchmem $(TESTFLAGS) ./... ./bench/... | tee bench.out
	@grep -q '^Benchmark' bench.out || { echo 'bench: no benchmark matches $(BENCH)' >&2; exit 1; }

.PHONY: fuzz
fuzz: ## Run each fuzz test for FUZZTIME (30s)
	@ran=0; \
	for dir in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -r -n1 dirname | sort -u); do \
	  for name in $$(cat $$dir/*_test.go | sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p'); do \
	    (set -x; $(GO) test -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) $$dir); ran=1; \
	  done; \
	done; \
	[ $$ran = 1 ] || { echo 'fuzz: no fuzz test' >&2; exit 1; }

.PHONY: e2e
e2e: ## Test against a real Jaeger and collector, built from their modules (the first build takes minutes), Prometheus and Chromium
	@grep -rqs --include='*_test.go' '^func Test' e2e || { echo 'e2e: no test' >&2; exit 1; }
	tools/jaeger/build.sh
	tools/collector/build.sh
	E2E=1 $(GO) test -count=1 -timeout 20m $(TESTFLAGS) ./e2e/...
	E2E=1 ROLLOUT=1 $(GO) test -count=1 -timeout 5m $(TESTFLAGS) ./e2e/rollout # has the machine for itself

.PHONY: containers
containers: ## Run docker-compose.yml in a container engine, from images that are built here without a network
	tools/jaeger/build.sh
	tools/collector/build.sh
	CONTAINERS=1 $(GO) test -count=1 -timeout 15m $(TESTFLAGS) ./e2e/container

.PHONY: lint
lint: format bin/golangci-lint ## Check format, vet and lint every module of go.work
	@$(notempty)
	$(GO) vet $(EVERYTHING)
	@for dir in $(MODULES); do (cd "$$dir"; set -x; $(CURDIR)/bin/golangci-lint run --allow-parallel-runners ./...); done

.PHONY: format
format: ## Check that gofmt would change nothing
	@files=$$(gofmt -s -l .); [ -z "$$files" ] || { echo "run gofmt -s -w on:"; echo "$$files"; exit 1; } >&2

bin/golangci-lint: tools/lint/go.mod tools/lint/go.sum
	GOWORK=off $(GO) build -C tools/lint -o $(CURDIR)/bin/ tool
	@touch $@

.PHONY: generate
generate: ## Generate the Go code of the protobuf files
	cd proto && $(TOOL)/buf/go.mod buf lint
	cd proto && $(TOOL)/buf/go.mod buf format --write
	cd proto && $(TOOL)/buf/go.mod buf generate

# The weaver is built from its own module, as it would raise grpc in one that
# requires it: so the oldest grpc can be tested, too. It wants to be told that it is
# the version that go.mod says. The example does as users do.
ORCHESTRION = REQUIRE_WOVEN=1 DD_ORCHESTRION_IS_GOMOD_VERSION=true $(CURDIR)/bin/orchestrion

.PHONY: weave
weave: bin/orchestrion ## Test the compiled-in mode, on the newest grpc-go and on the oldest
	$(ORCHESTRION) $(GO) test -count=1 $(TESTFLAGS) ./weave
	$(ORCHESTRION) $(GO) test -count=1 -run Stories $(TESTFLAGS) ./server
	GOWORK=off $(ORCHESTRION) $(GO) test -count=1 $(TESTFLAGS) ./weave
	GOWORK=off $(ORCHESTRION) $(GO) test -count=1 -run Stories $(TESTFLAGS) ./server
	$(ORCHESTRION) $(GO) test -count=1 $(TESTFLAGS) ./internal/accuracy
	GOWORK=off $(ORCHESTRION) $(GO) test -count=1 $(TESTFLAGS) ./internal/accuracy
	cd e2e/xds && $(ORCHESTRION) $(GO) test -count=1 $(TESTFLAGS) .
	cd examples/compiledin && GOWORK=off REQUIRE_WOVEN=1 $(GO) tool orchestrion $(GO) test -count=1 $(TESTFLAGS) ./...

# What is measured is printed: nothing but the order of things is asserted.
.PHONY: accuracy
accuracy: bin/orchestrion ## Measure how exact the public hooks are, against grpc's own source (ARGS=-spinning=4)
	$(ORCHESTRION) $(GO) test -count=1 -timeout 30m -v $(TESTFLAGS) ./internal/accuracy -shutdowns 1000 -kinds $(ARGS)

bin/orchestrion: tools/orchestrion/go.mod tools/orchestrion/go.sum
	GOWORK=off $(GO) build -C tools/orchestrion -o $(CURDIR)/bin/ tool
	@touch $@

.PHONY: checkgenerate
checkgenerate: ## Check that generating again would change nothing
	cd proto && $(TOOL)/buf/go.mod buf lint
	cd proto && $(TOOL)/buf/go.mod buf format --diff --exit-code
	@fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; \
	(cd proto; $(TOOL)/buf/go.mod buf generate --output "$$fresh"); \
	diff -ru --exclude='*.proto' --exclude=doc.go --exclude='buf*.yaml' proto "$$fresh" || \
	{ echo 'checkgenerate: run make generate and commit the result' >&2; exit 1; }

.PHONY: compose
compose: ## Check docker-compose.yml with the library behind docker compose
	$(TOOL)/compose/go.mod cmd docker-compose.yml >/dev/null

.PHONY: clean
clean: ## Remove what the other targets wrote
	rm -rf bin dist bench.out cover.out
