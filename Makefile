# make prints what there is. CI runs .ci/run, which calls these targets and nothing else.
SHELL       := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run build test race lint fmt fuzz bench cover peers tidy clean

VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
PKG       ?= ./...
TIMEOUT   ?= 10m
FUZZTIME  ?= 10s
BENCHTIME ?= 1s
TOOL      := go tool -modfile=tools/go.mod
# Debian packages that tests with real peers use. Without them those tests are skipped, by name and aloud.
PEERS     ?= chromium

help: ## print this help
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' Makefile

run: build ## start the demonstration: provider, gateway and application
	@go build -o bin/demo ./cmd/demo && bin/demo $(ARGS)

build: ## build bin/sessionward
	go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/sessionward ./cmd/sessionward

test: peers ## run all tests with the race detector
	go test -race -timeout $(TIMEOUT) $(PKG)

race: ## run all tests with the race detector five times, in changing order
	go test -race -count 5 -shuffle on -timeout 30m $(PKG)

lint: ## formatting, vet, staticcheck (documented names included), known vulnerabilities
	@bad=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')); \
	  [ -z "$$bad" ] || { echo "not formatted (make fmt):"; echo "$$bad"; exit 1; }
	go vet $(PKG)
	$(TOOL) staticcheck $(PKG)
	@rc=0; $(TOOL) govulncheck $(PKG) || rc=$$?; case $$rc in \
	  0) ;; \
	  3) exit 1 ;; \
	  *) echo "lint: NOT CHECKED for known vulnerabilities: govulncheck could not run or reach its database" ;; esac

fmt: ## format all Go files, a little stricter than gofmt
	$(TOOL) gofumpt -w $$(git ls-files --cached --others --exclude-standard '*.go')

fuzz: ## run every fuzz target for FUZZTIME (10s, or a count such as 1000x) each
	@go test -list '^Fuzz' $(PKG) \
	  | awk '/^Fuzz/{f[++n]=$$1} /^ok/{for(i=1;i<=n;i++) print $$2, f[i]; n=0}' \
	  | while read -r pkg target; do \
	      echo "== $$pkg $$target"; \
	      go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) "$$pkg" </dev/null || exit 1; \
	    done

bench: ## run every benchmark for BENCHTIME (1s) each
	go test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) -timeout 30m $(PKG)

cover: ## test coverage: coverage.out, coverage.html, and the sum
	go test -coverprofile coverage.out -coverpkg ./... -timeout $(TIMEOUT) $(PKG)
	go tool cover -html coverage.out -o coverage.html
	@go tool cover -func coverage.out | tail -1

peers: ## install the Debian packages and build the Kratos that tests use, when that is possible
	@tools/peers.sh $(PEERS)
	@go test -timeout 20m -count 1 -v -run '^TestBinary$$' ./cmd/peers/kratos | grep -v '^=== '

tidy: ## tidy all go.mod files
	go mod tidy
	cd tools && go mod tidy
	cd tools/kratos && go mod tidy

clean: ## remove what was built or written by a run
	rm -rf bin dist artefacts .demo coverage.out coverage.html
