"""Plugins for the kit's own tests: right ones, and ones that are wrong in one way each."""
