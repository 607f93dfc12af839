# Each target sets up by itself what it needs. `make help` lists them.
#   ARGS   goes to the program behind the target: make test ARGS='-k vlan -x', make bench ARGS=--help
#   JOBS   how many tests run at once: make test JOBS=0 to see them one after the other
#   FRESH  Debian releases for make test-fresh: make test-fresh FRESH=trixie

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-unit test-smoke test-kit test-thirdparty test-guide test-vm test-cluster chaos lint format bench bench-pods lock wheels image image-ovs release test-fresh docs site deploy protos clean clean-packages

# Tests start hundreds of Python processes: each would compile again all that it imports.
unexport PYTHONDONTWRITEBYTECODE

ARGS ?=
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' core/pyproject.toml)
FRESH ?= bookworm trixie
JOBS ?= 6
PROMISE := unit,kernel,ovs,nodes,runtime
# Tests of one file stay together, as they may share what is dear to make. More workers than cores: most tests wait.
SHARED := -n $(JOBS) --dist loadfile --no-loadscope-reorder

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is missing (Debian packages, .boot/, .venv/); says first what it will change
	@tools/setup

demo: setup ## three Pods on a private Open vSwitch: who can ping whom, then clean up
	@examples/demo/run $(ARGS)

test: setup ## the tests that need a Linux machine and root, no more; a third of the kill points in turn, ARGS=--all: all
	.venv/bin/pytest -m 'not kit and not thirdparty and not vm and not kubernetes and not fresh' --promise=$(PROMISE) $(SHARED) $(ARGS)

test-unit: setup ## the tests among them that need nothing but Python
	.venv/bin/pytest -m unit --promise=unit $(SHARED) $(ARGS)

test-smoke: setup ## one test of each tier: whether a new machine has what they need
	.venv/bin/pytest -m smoke --promise=$(PROMISE),kit,thirdparty,vm $(ARGS)

test-kit: setup ## the conformance kit over wrong plugins: one for every rule, a tenth of all whole in turn; ARGS=--all: all
	.venv/bin/pytest -m kit --promise=kit tests/conformance $(ARGS)

test-thirdparty: setup ## third-party plugins, installed beside our wheels; the guide for drivers as its reader follows it
	.venv/bin/pytest -m 'thirdparty and not fresh' --promise=thirdparty $(SHARED) $(ARGS) tests/thirdparty_plugins

test-guide: setup ## the guide once more, from an empty environment, and the image, with packages from an index and a mirror
	.venv/bin/pytest -m fresh --promise=fresh tests/thirdparty_plugins/test_guide.py tests/deploy/test_image.py $(ARGS)

test-vm: setup ## virtual functions, subfunctions and the kernel's Open vSwitch datapath, in an emulated machine
	.venv/bin/pytest -m vm --promise=vm tests/vm $(ARGS)

test-cluster: ## a whole Kubernetes of two nodes on this machine; KUBECONFIG=FILE: what can be tried on any cluster
	@tools/setup cluster
	PYTHONPATH=tests/support .venv/bin/python -m secnet_testing.kubernetes kubernetes $(if $(KUBECONFIG),,agent-image openvswitch-image)
	@# Helm is built beside the first tests, which do not need it; those that do wait for it.
	PYTHONPATH=tests/support .venv/bin/python -m secnet_testing.kubernetes helm & .venv/bin/pytest -m kubernetes $(if $(KUBECONFIG),-rs,-n 3 --dist loadscope --promise=kubernetes) tests/kubeapi core/tests/agent/cluster/kube tests/deploy tests/kubernetes $(ARGS)

chaos: setup ## random churn and faults on two nodes, everything compared after each quiet moment: ARGS='--minutes 60 --seed 7'
	PYTHONPATH=tests/support .venv/bin/python -m secnet_testing.chaos $(ARGS)

lint: setup ## style, format, types, and who may import whom
	@tools/lint

format: setup ## put the code into the format that make lint wants
	.venv/bin/ruff check --fix-only --quiet
	.venv/bin/ruff format

bench: ## attach and detach beside the CNI plugins and os-vif, measured in one run
	@tools/setup bench
	.venv/bin/python -m benchmarks.run $(ARGS)

bench-pods: ## Pods with and without networks on a whole Kubernetes of two nodes, from creation to ready
	@tools/setup cluster
	PYTHONPATH=tests/support .venv/bin/python -m secnet_testing.kubernetes kubernetes helm agent-image
	PYTHONPATH=tests/support .venv/bin/python -m benchmarks.pods $(ARGS)

lock: setup ## renew requirements*.txt after a change of dependencies (ARGS=--upgrade for newer versions)
	@tools/lock $(ARGS)

wheels: setup ## build a wheel of each member into dist/
	@tools/wheels dist

image: ## build the agent's image without a docker engine: dist/secnet-VERSION.oci.tar (ARGS=--upgrade: Debian's newest)
	@tools/setup image
	@tools/image --output dist/secnet-$(VERSION).oci.tar --sbom dist/secnet-$(VERSION).cdx.json --tag $(VERSION) $(ARGS)

image-ovs: ## build the image of Open vSwitch for nodes that have none: dist/secnet-openvswitch-VERSION.oci.tar
	@tools/setup image
	@tools/image --dockerfile deploy/openvswitch/Dockerfile --name secnet-openvswitch --tag $(VERSION) \
	  --output dist/secnet-openvswitch-$(VERSION).oci.tar --sbom dist/secnet-openvswitch-$(VERSION).cdx.json $(ARGS)

release: ## all files of a release in dist/: wheels, both images, manifests, chart, checksums
	@tools/setup image
	@tools/release $(ARGS)

test-fresh: ## demo, test-smoke and test-guide in new systems of Debian 12 and 13; test-unit on the other Python
	@tools/test-fresh $(FRESH)

docs: setup ## write the generated parts of docs/ again: references, and the drawing of the demo's node
	.venv/bin/python docs/generate.py
	examples/demo/run draw docs/pictures/node.svg

site: setup ## build docs/ into a site with search, in site/; a dead link or a page without a menu entry fails
	.venv/bin/mkdocs build --quiet $(ARGS)

protos: setup ## make the Python modules of the .proto files again
	.venv/bin/python tools/protos

deploy: setup ## write the generated parts of deploy/ again: ClusterRoles, install.yaml, policies.yaml, crds.yaml
	.venv/bin/python deploy/render.py
	.venv/bin/python deploy/bundle.py

clean: ## remove what setup, tests and builds left in this folder; names the Debian packages it installed
	@tools/clean

clean-packages: ## remove the Debian packages that make setup installed
	@tools/clean packages
