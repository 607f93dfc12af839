"""Offline validation of manifests and node configuration."""
