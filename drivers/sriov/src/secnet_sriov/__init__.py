"""Virtual functions and subfunctions of a network card, moved into Pods and restored afterwards."""

from .drivers import SriovDriver, SriovSfDriver, SriovVfDriver

__all__ = ["SriovDriver", "SriovSfDriver", "SriovVfDriver"]
