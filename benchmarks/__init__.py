"""The benchmark of secnet beside its peers; `README.md` says what is measured and how."""
