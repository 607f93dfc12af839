"""A Kubernetes API server for tests: its own process, over HTTP, with faults on request.

It follows the API's own documents ("API Concepts", "API Conventions"), not the client under test: one revision counter, list
and watch with selectors, paging, bookmarks and 410, optimistic concurrency, the split of status, the three kinds of patch,
finalizers, graceful deletion of Pods, RBAC by the rules given for a token, custom resources by their definitions, pruned and
validated by their schemas.

Not here: admission, defaults of the built-in kinds, CEL, server-side apply with conflicts, Table output,
deletecollection, garbage collection by owner, several versions of one custom resource, namespaced Roles.

`python -m secnet_testing.kubeapi --help` runs one by hand; tests use `KubeApiProcess`, or its fixture `kubeapi`.
"""
