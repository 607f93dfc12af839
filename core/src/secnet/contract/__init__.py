"""The contract of secnet: everything a driver or IPAM author needs, with the standard library only."""

from .attachment import Attachment, AttachRequest, AttachResult, HostInterface
from .call import Call, HostContext, StepObserver
from .codec import freeze, from_json, thaw, to_json
from .command import Command
from .doctor import DoctorLevel, DoctorResult
from .driver import DRIVER_CAPABILITIES, DriverInfo, NetworkDriver, StatusColumn
from .errors import (
    Busy,
    Cancelled,
    Conflict,
    ContractViolation,
    ErrorInfo,
    Gone,
    InvalidConfig,
    MissingPrivilege,
    NotReady,
    ObjectNotFound,
    Permanent,
    Retryable,
    SecnetError,
    StoreConflict,
    Timeout,
    Unavailable,
    Unsupported,
    VerifyFailed,
)
from .identity import AttachmentId, DeviceRef, NetnsRef, NetworkRef, ObjectRef, PodRef
from .ipam import BACKEND_CAPABILITIES, BackendInfo, IPAMBackend, ObjectFinding
from .kinds import CLUSTER_SCOPE, NAMESPACED_SCOPE, ObjectKind
from .lease import Dns, IpamLease, IpamOwner, IpamRequest, LeaseAddress, LeaseOutline, Route
from .metrics import METRIC_KINDS, Metric, PoolUsage
from .needs import NODE_SERVICES, Needs
from .node import ComponentState, NodeComponent, NodeObservation
from .reports import ADDRESS_OF_ANOTHER, CheckReport, Finding, ForeignObject, Inventory, NodeReport, Owned, ProbeReport
from .schema import DIALECT, EMPTY_FRAGMENT, VLAN_PROPERTY, load_fragment
from .store import ObjectStore
from .version import CONTRACT_VERSION

__all__ = [
    "ADDRESS_OF_ANOTHER",
    "BACKEND_CAPABILITIES",
    "CLUSTER_SCOPE",
    "CONTRACT_VERSION",
    "DIALECT",
    "DRIVER_CAPABILITIES",
    "EMPTY_FRAGMENT",
    "VLAN_PROPERTY",
    "AttachRequest",
    "AttachResult",
    "Attachment",
    "BackendInfo",
    "Busy",
    "Call",
    "Cancelled",
    "CheckReport",
    "Command",
    "ComponentState",
    "Conflict",
    "ContractViolation",
    "DeviceRef",
    "Dns",
    "DoctorLevel",
    "DoctorResult",
    "DriverInfo",
    "ErrorInfo",
    "Finding",
    "ForeignObject",
    "Gone",
    "HostContext",
    "HostInterface",
    "IPAMBackend",
    "InvalidConfig",
    "Inventory",
    "IpamLease",
    "IpamOwner",
    "IpamRequest",
    "AttachmentId",
    "LeaseAddress",
    "LeaseOutline",
    "METRIC_KINDS",
    "Metric",
    "MissingPrivilege",
    "NAMESPACED_SCOPE",
    "NODE_SERVICES",
    "Needs",
    "NetnsRef",
    "NetworkDriver",
    "NetworkRef",
    "NodeComponent",
    "NodeObservation",
    "NodeReport",
    "NotReady",
    "ObjectFinding",
    "ObjectKind",
    "ObjectNotFound",
    "ObjectRef",
    "ObjectStore",
    "Owned",
    "Permanent",
    "PodRef",
    "PoolUsage",
    "ProbeReport",
    "Retryable",
    "Route",
    "SecnetError",
    "StatusColumn",
    "StepObserver",
    "StoreConflict",
    "Timeout",
    "Unavailable",
    "Unsupported",
    "VerifyFailed",
    "freeze",
    "from_json",
    "load_fragment",
    "thaw",
    "to_json",
]
