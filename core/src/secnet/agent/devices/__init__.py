"""Which devices a Pod was given, and which of its networks gets which."""

from .allocator import DeviceAllocator
from .annotation import AnnotatedDevices
from .kubelet import KubeletDevices, all_devices
from .source import DEVICES_ANNOTATION, DeviceSource

__all__ = [
    "DEVICES_ANNOTATION",
    "AnnotatedDevices",
    "DeviceAllocator",
    "DeviceSource",
    "KubeletDevices",
    "all_devices",
]
