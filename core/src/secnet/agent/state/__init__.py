"""What the agent keeps on disk: journal, reports, sandbox ledger, and the lock on the run directory."""
