"""The controller of Pods: sync, resync, recovery, and the callers of the CNI plugin."""
