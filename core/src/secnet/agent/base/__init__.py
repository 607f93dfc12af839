"""Tools without knowledge of networks: queue, back-off, locks, intervals, logs, gRPC, errors of the system, metrics interface."""
