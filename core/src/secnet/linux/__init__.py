"""What drivers and the core need of the Linux kernel: namespaces, links, addresses, routes, sysctls, names.

Import the modules you use: `netns`, `names`, `sysctl`, `announce` and `errors` are light; `rtnl` and what makes
links with our mark (`veths`, `masterlinks`, `nodelinks`) load pyroute2.
Nothing here keeps state, a thread or a descriptor after a call returns, and nothing changes the namespace of the calling thread.
"""
