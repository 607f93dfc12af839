"""The node agent: from a Pod's annotation to a working interface, and back to a status."""
