# Everything that is done with this repository, by name. A new Debian machine
# needs Go, gcc, make and git; `make setup` installs the rest.

MODULE  := go.calms.com/calms
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)

# A checkout that git refuses to read, such as one of another owner, builds and
# tests all the same; only the binaries then do not know their commit.
ifneq ($(shell git status --porcelain >/dev/null 2>&1 && echo readable),readable)
export GOFLAGS := $(GOFLAGS) -buildvcs=false
endif
BUILD := go build -trimpath -ldflags "$(LDFLAGS)"

# What tests use beside Go: the C compiler of SQLite, peers that nobody here
# wrote, and Debian's cross compilers. One name per Debian package.
PACKAGES := gcc libc6-dev \
	gcc-aarch64-linux-gnu libc6-dev-arm64-cross \
	gcc-arm-linux-gnueabihf libc6-dev-armhf-cross \
	python3-pymodbus python3-serial-asyncio \
	mosquitto mosquitto-clients openssl age strace systemd iproute2

# The tests of crashes and of replication need the crash points compiled in.
TAGS := crashpoints

.PHONY: build demo test check soak bench lint setup completions clean

build: ## the three programs, into bin/
	@mkdir -p bin
	CGO_ENABLED=0 $(BUILD) -o bin/calmsctl ./cmd/calmsctl
	CGO_ENABLED=1 $(BUILD) -o bin/calms-edge ./cmd/calms-edge
	CGO_ENABLED=1 $(BUILD) -o bin/calms-cloudd ./cmd/calms-cloudd

demo: build ## the whole story on this machine, until Ctrl-C
	bin/calmsctl demo

setup: ## install the Debian packages that tests use, where they are missing
	@missing=; for p in $(PACKAGES); do \
		dpkg-query -W -f '$${db:Status-Status}\n' $$p 2>/dev/null | grep -qx installed || missing="$$missing $$p"; \
	done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" != 0 ]; then echo "make setup: as root: apt-get install$$missing" >&2; exit 1; fi; \
	export DEBIAN_FRONTEND=noninteractive; \
	apt-get update -q && apt-get install -q -y --no-install-recommends $$missing

check: ## what needs no run: formatting and vet
	@unformatted=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go' 2>/dev/null || find cmd pkg -name '*.go')); \
	if [ -n "$$unformatted" ]; then echo "not formatted: gofmt -w $$unformatted" >&2; exit 1; fi
	go vet -tags $(TAGS) ./...
	go vet ./cmd/...

test: setup check ## everything that continuous integration runs
	go test -race -tags $(TAGS) -timeout 15m ./...

# The same tests, for hours: more schedules, more kills, more samples.
SOAK_RUNS      := 20000
SOAK_REAL_RUNS := 2000
SOAK_SEED      := $(shell date +%s)

soak: setup
	@echo "soak: seed $(SOAK_SEED)"
	CALMS_SOAK=1 go test -tags $(TAGS) -count=1 -timeout 12h ./pkg/replication \
		-replication.seed $(SOAK_SEED) -replication.runs $(SOAK_RUNS) \
		-replication.real-seed $(SOAK_SEED) -replication.real-runs $(SOAK_REAL_RUNS)
	CALMS_SOAK=1 go test -tags $(TAGS) -count=1 -timeout 12h -v ./pkg/endtoend

bench: ## ratios against a baseline that runs beside them, and single costs
	go test -run '^$$' -bench . -benchtime 1s ./pkg/house
	go test -run '^$$' -bench . -benchtime 1s ./cmd/calmsctl

lint: ## golangci-lint where it is installed, else vet
	@if command -v golangci-lint >/dev/null; then golangci-lint run ./...; else \
		echo "lint: golangci-lint is not installed, so only go vet runs" >&2; go vet -tags $(TAGS) ./...; fi

completions: ## write completions/ anew from calmsctl
	go generate ./cmd/calmsctl

clean:
	rm -rf bin
