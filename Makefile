# What a contributor does here. Each target is one readable line.

NAGAYA_CACHE ?= $(HOME)/.cache/nagaya
TRIPLE := $(shell rustc -vV | sed -n 's/^host: //p')
STATIC := $(NAGAYA_CACHE)/target-static
IMAGE := ghcr.io/nagaya-dev/nagaya:dev

.PHONY: build lint image generate

build: ## The manager and the sandbox
	cargo build --locked --workspace

lint: ## What a reviewer would say first
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	if command -v cargo-deny >/dev/null; then cargo deny check bans licenses sources; else echo "cargo-deny is not installed: skipped"; fi

image: ## The manager as a static program, and how to make an image of it
	RUSTFLAGS="-C target-feature=+crt-static" CARGO_TARGET_DIR=$(STATIC) cargo build --locked --release --package nagaya --target $(TRIPLE)
	@echo "docker build -t $(IMAGE) -f Containerfile $(STATIC)/$(TRIPLE)/release"

generate: ## Definitions and reference pages that are made from the code
	UPDATE=1 cargo test --locked --package nagaya --test crds --test configuration_reference --test rbac_reference
