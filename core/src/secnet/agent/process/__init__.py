"""The agent process: wiring, start and stop."""
