"""Text to data: JSON, YAML, and schemas with messages that name object, path and remedy."""
