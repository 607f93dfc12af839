"""What a Pod shows: network-status, condition, failure reports."""
