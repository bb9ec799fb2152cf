# `make check` and `make test` need Rust, a C++ compiler and python3 with pip; native/setup.py fetches the rest.

# One profile and one set of features everywhere: torch-sys takes minutes, and cargo rebuilds it for any other choice.
FEATURES := --features mlx,torch
CARGO_FLAGS := --release $(FEATURES)
BIN := $(or $(CARGO_TARGET_DIR),target)/release
PYTHON ?= python3
# What the workers compute on, beside the CPU: `make build DEVICE=cuda` for an NVIDIA GPU. The Mac's GPU needs no choice.
DEVICE ?= cpu

# This repository's, and those that `wanbench init` writes.
WORKFLOWS := $(wildcard .github/workflows/*.yml) $(wildcard src/commands/init/*.yml)

.PHONY: check test test-github test-exports test-macos-setup check-macos lint fuzz bench bench-detection build setup shellcheck workflows picture

check: build
	$(BIN)/wanbench check $(ARGS)

test: setup
	cargo test $(CARGO_FLAGS) $(ARGS)
	@$(MAKE) --no-print-directory test-github test-exports

# Validates what wanbench sends to GitHub against GitHub's own description of its API: tests/openapi.rs.
test-github: setup
	@mock=$$($(PYTHON) native/setup.py openapi-mock) && \
	WANBENCH_OPENAPI_MOCK="$$mock" cargo test $(CARGO_FLAGS) --test openapi -- --ignored

# Reads what `wanbench report --format` writes with the schemas and parsers of those who read it: tests/exports.rs.
test-exports: setup
	@schema=$$($(PYTHON) native/setup.py junit-schema) && readers=$$($(PYTHON) native/setup.py export-readers) && \
	WANBENCH_JUNIT_SCHEMA="$$schema" WANBENCH_EXPORT_READERS="$$readers" \
	cargo test $(CARGO_FLAGS) --test exports -- --ignored

# Plays a Mac for native/setup.py, up to the compiler, with the wheels for macOS: fetches 230 MB.
test-macos-setup:
	cargo test $(CARGO_FLAGS) --test native -- --ignored

# Lints for macOS on a Debian machine; with LINK=1 also links the programs: native/check_macos.py.
check-macos:
	@$(PYTHON) native/check_macos.py $(if $(LINK),--link) $(ARGS)

lint: setup shellcheck workflows
	cargo fmt --check
	cargo fmt --check --manifest-path native/bindings/Cargo.toml
	cargo clippy --release --all-targets -- -D warnings
	cargo clippy $(CARGO_FLAGS) --all-targets -- -D warnings

# Everything that is read from outside, by coverage-guided mutation, FUZZ_SECONDS for each target of fuzz/: needs
# `cargo install cargo-fuzz` and a C++ compiler. What is found lies in fuzz/artifacts; what covers more, in fuzz/corpus.
FUZZ_SECONDS ?= 60
FUZZ_TARGETS := configuration results baseline import protocol tensors manifest artifact
FUZZ_LIMITS := -rss_limit_mb=1024 -timeout=10 -max_len=32768 -dict=fuzz/json.dict
# The compiler's own instrumentation, which it names unstable, is enough; sanitizers would need a nightly one.
fuzz:
	@for target in $(FUZZ_TARGETS); do mkdir -p fuzz/corpus/$$target && \
	RUSTC_BOOTSTRAP=1 cargo fuzz run -s none $$target fuzz/corpus/$$target fuzz/seeds/$$target -- \
	$(FUZZ_LIMITS) -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 || exit 1; done

# The overhead of wanbench itself, as shares and ratios of one run.
bench: setup
	cargo bench $(FEATURES) --bench overhead

# Records launches with known slowdowns on this machine for half an hour, and evaluates rules on them: docs/detection.md.
# `make bench-detection ARGS=judge` evaluates them on what is recorded, ARGS=simulate on simulated noise as well: neither
# needs the frameworks.
bench-detection: $(if $(ARGS),,setup)
	cargo bench $(if $(ARGS),,$(FEATURES)) --bench detection -- $(ARGS)

build: setup
	cargo build $(CARGO_FLAGS)

# MLX and libtorch, once per user and device.
setup:
	@$(PYTHON) native/setup.py --device "$(DEVICE)"

# Every file, committed or not, whose first line names a shell.
shellcheck:
	@shellcheck=$$($(PYTHON) native/setup.py shellcheck) && \
	git grep --untracked -nIE '^#!.*[/ ](ba|da)?sh( |$$)' | sed -n 's/:1:#!.*//p' | \
	while IFS= read -r script; do "$$shellcheck" "$$script" || exit 1; done

# Both linters work offline once they are installed.
workflows:
	@zizmor=$$($(PYTHON) native/setup.py zizmor) && "$$zizmor" --offline --quiet --config .github/zizmor.yml $(WORKFLOWS) action.yml .github/actions
	@actionlint=$$($(PYTHON) native/setup.py actionlint) && "$$actionlint" $(WORKFLOWS)

# README's picture of the comment in FILE, docs/comment-light.png and docs/comment-dark.png. Needs Chromium.
picture:
	@picture=$$($(PYTHON) native/setup.py comment-picture) && "$$picture" "$(FILE)" docs/comment
