"""What the tests of the backends share."""
