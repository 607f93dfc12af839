"""Set-up that all tests share; what it does is in tests/support/tiers.py."""

from hypothesis import settings

# pytester is what the tests of the tiers themselves run pytest with.
pytest_plugins = ["tiers", "pytester"]

# A deadline per example measures how busy the machine is, not how good the code is.
settings.register_profile("secnet", deadline=None)
settings.load_profile("secnet")
