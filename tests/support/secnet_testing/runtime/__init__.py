"""A private containerd for tests, with real Pod sandboxes: own folders and sockets, own network namespace, never the system's.

`runtime.Runtime` is what tests hold, `plugin` has the fixtures. Nothing is imported here, as most test runs need no gRPC.
"""
