"""One attachment: admission, plan, addresses, layer 3, and back; garbage collection of leases and orphans; per-node state."""
