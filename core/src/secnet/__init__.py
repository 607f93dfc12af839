"""Secondary network interfaces for Kubernetes Pods."""
