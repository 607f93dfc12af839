"""Virtual functions and subfunctions of a network card: described here, not implemented yet."""

from .drivers import SriovDriver, SriovSfDriver, SriovVfDriver

__all__ = ["SriovDriver", "SriovSfDriver", "SriovVfDriver"]
