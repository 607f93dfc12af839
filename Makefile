# Each target sets up by itself what it needs. `make help` lists them.

.DEFAULT_GOAL := help
.PHONY: help setup

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is missing (Debian packages, .boot/, .venv/); says first what it will change
	@tools/setup
