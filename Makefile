# What a newcomer and a contributor do here. Each target is one readable line; `make` alone lists them.

E2E := cargo run --locked --quiet --package e2e --bin

.DEFAULT_GOAL := help
.PHONY: help prerequisites programs demo demo-down test test-lifecycle test-reach test-vm test-long ring bench bench-check bench-scale bench-gateway bench-gogc lint build image gateway-image forwarder-image doctor install generate

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: programs ## From nothing to a web page on a tenant's own virtual machine; twice says what is there
	@$(E2E) demo

demo-down: programs ## Removes the demo and its sandbox, and looks whether anything is left
	@$(E2E) demo down

test: programs ## Everything that CI runs: lint, units, goldens, kubeadm parity, demo, real ring; replaces a running sandbox
	@$(E2E) suite

test-lifecycle: programs ## The long form of what changes a running tenant: a line per operation; replaces a running sandbox
	@$(E2E) suite lifecycle

test-reach: programs ## The tunnel over a long and bad line, and with each of its parts pulled; replaces a running sandbox
	@$(E2E) suite reach

test-vm: programs ## Two virtual machines that nobody can reach: join, reboot, new address, wrong clock, full disk; replaces a running sandbox
	@$(E2E) suite vm

test-long: programs ## The fault ring at length: each fault of each write of each flow, and 100,000 stories
	@$(E2E) suite stories

ring: programs ## The tests of e2e/tests, in a sandbox of their own; replaces a running sandbox
	@$(E2E) suite ring

bench: programs ## Time and memory, beside the same objects without Nagaya; replaces a running sandbox
	@$(E2E) bench

bench-check: programs ## Fails if the last `make bench` is worse than the committed one by a fifth, as ratios to the floor of its run
	@$(E2E) bench-check

bench-scale: programs ## What the manager costs with a thousand tenants, whose machines and API servers are played
	@$(E2E) bench-scale

bench-gateway: programs ## The gateway beside HAProxy, nginx and nobody: throughput, latency, memory, changes of routes
	@$(E2E) bench-gateway

bench-gogc: programs ## What a tenant's kube-apiserver and etcd cost with each setting of Go's garbage collector
	@$(E2E) bench-gogc

lint: programs ## What a reviewer would say first
	@$(E2E) suite lint

build: ## The manager and the sandbox
	cargo build --locked --workspace

image: programs ## The manager as an image of one static program; prints the archive, for `docker load`
	@$(E2E) install image

gateway-image: programs ## The same for the gateway
	@$(E2E) install gateway-image

forwarder-image: programs ## The same for the forwarder on the nodes of tenants behind the gateway
	@$(E2E) install forwarder-image

doctor: programs ## The join doctor, one static program for any machine; prints where it is
	@$(E2E) install doctor

install: programs ## This checkout's Nagaya into the running sandbox, in place of what is there
	@$(E2E) install

generate: ## Definitions and reference pages that are made from the code
	UPDATE=1 cargo test --locked --package nagaya --test crds --test configuration_reference --test rbac_reference --test field_policies --test monitoring
	UPDATE=1 cargo test --locked --package nagaya-gateway --test reference
	UPDATE=1 cargo test --locked --package nagaya-doctor --test reference

prerequisites: ## The Debian packages that are missing: says which, then installs them
	@e2e/prerequisites

programs: prerequisites
	@cargo build --locked --package e2e --bins
