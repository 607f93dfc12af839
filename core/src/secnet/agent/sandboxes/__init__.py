"""Sources of sandboxes, their liveness, and the ownership of their network namespaces."""
