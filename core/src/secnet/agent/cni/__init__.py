"""CNI: the agent's side of the plugin `secnet-cni`, and its place in the runtime's configuration.

`server` takes calls from the plugin at a unix socket, `protocol` reads them, `chained` and `single` hold the rules of the two
ways to be called, and an `Attacher` does the work.
"""
