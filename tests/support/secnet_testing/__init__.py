"""Fixtures and helpers for tests of the workspace; shipped in no wheel."""
