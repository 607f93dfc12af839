"""Plugs and unplugs OVS ports through os-vif: a program of its own, run by the interpreter of `.venv-bench`.

Arguments: OVSDB target, bridge. Reads one JSON object a line (`{"verb": "plug", "device": "...", "mac": "..."}`), answers each
by one line with the seconds that os-vif took, so that the way between the processes is not measured.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import time
import uuid
from typing import Any

_NAMESPACE = uuid.UUID("0b6d4bd2-6a1b-4c0a-9a44-7a6c1c0f5f0e")


def _set_up(target: str) -> None:
    """Without the privilege daemon, which root does not need, and with our database instead of the default."""
    import os_vif  # type: ignore[import-not-found]  # only .venv-bench has it
    from oslo_config import cfg  # type: ignore[import-not-found]
    from vif_plug_ovs import privsep  # type: ignore[import-not-found]
    from vif_plug_ovs.ovs import OvsPlugin  # type: ignore[import-not-found]

    privsep.vif_plug.set_client_mode(False)
    cfg.CONF([], project="secnet-benchmark", default_config_files=[])
    cfg.CONF.register_opts(OvsPlugin.CONFIG_OPTS, group="os_vif_ovs")
    cfg.CONF.set_override("ovsdb_connection", target, group="os_vif_ovs")
    os_vif.initialize()


def _vif(device: str, mac: str, bridge: str) -> Any:
    from os_vif import objects

    port = str(uuid.uuid5(_NAMESPACE, device))
    profile = objects.vif.VIFPortProfileOpenVSwitch(interface_id=port, datapath_type="netdev", create_port=True)
    network = objects.network.Network(id=str(uuid.uuid5(_NAMESPACE, bridge)), bridge=bridge, mtu=1500)
    return objects.vif.VIFOpenVSwitch(
        id=port,
        address=mac,
        network=network,
        vif_name=device,
        bridge_name=bridge,
        plugin="ovs",
        port_profile=profile,
        has_traffic_filtering=True,
        preserve_on_delete=False,
    )


def main() -> None:
    """Serve until the input ends."""
    target, bridge = sys.argv[1:]
    _set_up(target)
    import os_vif
    from os_vif import objects

    instance = objects.instance_info.InstanceInfo(uuid=str(_NAMESPACE), name="bench")
    verbs = {"plug": os_vif.plug, "unplug": os_vif.unplug}
    print(json.dumps({"version": importlib.metadata.version("os-vif")}), flush=True)
    for line in sys.stdin:
        wanted = json.loads(line)
        vif = _vif(wanted["device"], wanted["mac"], bridge)
        start = time.perf_counter()
        verbs[wanted["verb"]](vif, instance)
        print(json.dumps({"seconds": time.perf_counter() - start}), flush=True)


if __name__ == "__main__":
    main()
