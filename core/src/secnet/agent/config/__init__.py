"""The node configuration: settings, antrea-agent.conf, the name of the Node."""
