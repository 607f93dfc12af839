"""HTTP, health, metrics in the format of Prometheus."""
