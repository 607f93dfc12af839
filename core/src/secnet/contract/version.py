"""The version of the contract between the core and its plugins (a mismatch is rejected by name).

A distribution says which version it is made for by an entry point of the group `secnet.contract`, named by the number:

    [project.entry-points."secnet.contract"]
    1 = "secnet_foo"

It is read before anything of the plugin is imported, so that a plugin of any other version is refused with both versions named.
"""

CONTRACT_VERSION = 1

FIRST_VERSION = 1
"""What a plugin that says nothing was made for. Never changes: a default that grew would pass old plugins off as new ones."""
