"""Builds the agent's image by the lines of deploy/Dockerfile, without a docker engine. `tools/image` starts it."""
