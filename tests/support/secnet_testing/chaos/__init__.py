"""Random churn and random faults on one or two nodes, and a comparison of everything after each quiet moment.

    make chaos ARGS='--minutes 4 --nodes 2 --seed 7'

Nodes are namespaces with an Open vSwitch each, joined by a wire between their uplinks; the agents are the real ones, over one
store of manifests, and then over an API double, with a containerd and a kubelet double on each node. What a seed
draws is the same each time; at which moment of the agents it hits them is not.
"""
