"""Data only: what the packages of the agent hand to each other."""
