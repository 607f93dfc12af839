"""Pods, NADs and IPPools behind one interface, whatever holds them (ARCHITECTURE "The cluster behind an interface")."""
