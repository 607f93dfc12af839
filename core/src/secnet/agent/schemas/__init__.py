"""The core's own JSON schemas, as package data."""
