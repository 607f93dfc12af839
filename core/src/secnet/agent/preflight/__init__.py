"""What must hold before this agent may work on the node: no foreign Antrea agent, its own Node, Multus."""
