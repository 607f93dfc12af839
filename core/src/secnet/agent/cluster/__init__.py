"""Pods, NADs and IPPools behind one interface, whatever holds them."""
