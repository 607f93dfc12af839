"""Which devices a Pod was given, and which of its networks gets which."""

from .allocator import DeviceAllocator
from .annotation import AnnotatedDevices
from .kubelet import KubeletDevices, check_kubelet
from .source import DEVICES_ANNOTATION, DeviceSource

__all__ = [
    "DEVICES_ANNOTATION",
    "AnnotatedDevices",
    "DeviceAllocator",
    "DeviceSource",
    "KubeletDevices",
    "check_kubelet",
]
