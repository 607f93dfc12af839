"""Set-up that all tests share; what it does is in tests/support/."""

from hypothesis import settings

# pytester is what the tests of the tiers themselves run pytest with.
pytest_plugins = [
    "tiers",
    "secnet_testing.netns",
    "secnet_testing.kubeapi.process",
    "secnet_testing.ovs",
    "secnet_testing.kubeapi.real",
    "secnet_testing.node",
    "secnet_testing.runtime.plugin",
    "secnet_testing.cluster_node",
    "secnet_testing.samplechoice",  # before what imports it
    "secnet_testing.kill_point_count",
    "secnet_testing.vm.remote",
    "pytester",
]

# A deadline per example measures how busy the machine is, not how good the code is.
settings.register_profile("secnet", deadline=None, max_examples=40)
settings.load_profile("secnet")
