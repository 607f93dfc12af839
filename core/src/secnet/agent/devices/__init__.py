"""Which devices a Pod was given, and which of its networks gets which."""

from ._allocator import DeviceAllocator
from ._kubelet import KubeletDevices, all_devices
from .annotation import AnnotatedDevices
from .slices import ResourceSlices
from .source import DEVICES_ANNOTATION, DeviceSource

__all__ = [
    "DEVICES_ANNOTATION",
    "AnnotatedDevices",
    "DeviceAllocator",
    "DeviceSource",
    "KubeletDevices",
    "ResourceSlices",
    "all_devices",
]
