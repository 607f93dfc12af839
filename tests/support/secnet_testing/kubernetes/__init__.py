"""A whole Kubernetes for tests: a control plane and two nodes made of namespaces, all of it Kubernetes' own code.

`binaries` builds the programs, `cluster.Cluster` is what tests hold, `fixtures` has the fixtures. Nothing is imported here,
as most test runs need none of it.
"""
