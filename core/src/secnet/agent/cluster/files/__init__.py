"""A directory of manifests as the source of objects, with the optimistic concurrency of an API server."""
