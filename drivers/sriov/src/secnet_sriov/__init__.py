"""Virtual functions and subfunctions of a network card, moved into Pods and given back as they were."""

from .drivers import SriovDriver, SriovSfDriver, SriovVfDriver

__all__ = ["SriovDriver", "SriovSfDriver", "SriovVfDriver"]
