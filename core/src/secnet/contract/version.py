"""The version of the contract between the core and its plugins (issue 3, item 5: a mismatch is refused by name)."""

CONTRACT_VERSION = 1
