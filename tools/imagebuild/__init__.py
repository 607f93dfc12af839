"""Builds images by the lines of their Dockerfiles, without a docker engine. `tools/image` starts it."""
