"""IPAM backends: antrea (IPPool) and static."""
