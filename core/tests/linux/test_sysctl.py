"""Sysctls of real namespaces, and the refusals that a container meets."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from secnet.contract import InvalidConfig, MissingPrivilege, NotReady, Unsupported
from secnet.linux import sysctl
from secnet_conformance.needs import requires_command
from secnet_testing.frames import IPV6
from secnet_testing.netns import frames, run_in

from .conftest import HOST_END, POD_END, Wire

pytestmark = pytest.mark.kernel

NOTIFY = f"ipv4/conf/{POD_END}/arp_notify"


def test_a_value_is_written_where_the_namespace_is(wire: Wire) -> None:
    sysctl.write_in(wire.fd, NOTIFY, "1")
    assert sysctl.read_in(wire.fd, NOTIFY) == "1"
    assert run_in(wire.pod_ns, ["cat", f"/proc/sys/net/{NOTIFY}"]) == "1\n"
    assert sysctl.read(NOTIFY) is None  # the node has no such interface


def test_several_are_read_and_written_together(wire: Wire) -> None:
    values = {NOTIFY: "1", f"ipv6/conf/{POD_END}/ndisc_notify": "1"}
    assert set(sysctl.read_all_in(wire.fd, values).values()) == {"0"}
    sysctl.write_all_in(wire.fd, values)
    assert sysctl.read_all_in(wire.fd, [*values, "ipv4/conf/none0/arp_notify"]) == {
        **values,
        "ipv4/conf/none0/arp_notify": None,
    }


def test_the_host_side_is_the_threads_namespace(wire: Wire) -> None:
    sysctl.write_all({f"ipv4/conf/{HOST_END}/arp_notify": "1"})
    assert sysctl.read_all([f"ipv4/conf/{HOST_END}/arp_notify", NOTIFY]) == {
        f"ipv4/conf/{HOST_END}/arp_notify": "1",
        NOTIFY: None,
    }


def test_an_interface_name_with_a_dot(wire: Wire) -> None:
    wire.host.set_link(wire.veth.index, name="uplink0.5")
    sysctl.write("ipv4/conf/uplink0.5/arp_notify", "1")
    assert sysctl.read("ipv4/conf/uplink0.5/arp_notify") == "1"


def test_a_silenced_link_never_speaks_ipv6(wire: Wire) -> None:
    """The Pod's own duplicate address detection, which lasts a second, is the sign that the host had its time to speak."""
    sysctl.silence_ipv6(HOST_END)
    with frames(None, HOST_END) as capture:
        wire.up()
        passed = capture.until(lambda frame: not frame.outgoing and frame.is_router_solicitation, within=10)
    assert [str(frame) for frame in passed if frame.outgoing and frame.ethertype == IPV6] == []


def test_a_link_not_silenced_does_speak(wire: Wire) -> None:
    """The control of the test above."""
    with frames(None, HOST_END) as capture:
        wire.up()
        capture.wait_for(lambda frame: frame.outgoing and frame.ethertype == IPV6, within=10)


def test_a_missing_interface_is_not_ready(wire: Wire) -> None:
    with pytest.raises(NotReady, match="setting the sysctl ipv4/conf/none0/arp_notify to '1'") as caught:
        sysctl.write_in(wire.fd, "ipv4/conf/none0/arp_notify", "1")
    assert caught.value.path == "/proc/sys/net/ipv4/conf/none0/arp_notify"


def test_a_kernel_without_ipv6(tmp_path: Path) -> None:
    """A proc tree of our own, because this kernel has IPv6."""
    (tmp_path / "sys/net/ipv4").mkdir(parents=True)
    with pytest.raises(Unsupported, match="no ipv6 sysctls"):
        sysctl.write("ipv6/conf/eth1/ndisc_notify", "1", proc_root=tmp_path)
    sysctl.silence_ipv6("eth1", proc_root=tmp_path)
    assert not (tmp_path / "sys/net/ipv6").exists()


def test_a_value_the_kernel_refuses(wire: Wire) -> None:
    with pytest.raises(InvalidConfig, match="to 'never'"):
        sysctl.write_in(wire.fd, NOTIFY, "never")


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../../kernel/hostname", "ipv4//arp_notify", "ipv4/conf/../x"])
def test_a_key_never_leads_elsewhere(key: str) -> None:
    with pytest.raises(InvalidConfig, match="is not a sysctl key"):
        sysctl.read(key)
    with pytest.raises(InvalidConfig, match="is not a sysctl key"):
        sysctl.write(key, "1")


def _in_a_container(code: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run code where /proc/sys is as a container runtime leaves it."""
    requires_command("unshare")
    script = 'mount -o bind /proc/sys /proc/sys && mount -o remount,bind,ro,nosuid,noexec /proc/sys && exec "$@"'
    argv = ["unshare", "--mount", "sh", "-c", script, "sh", *options, sys.executable, "-c", code]
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)


def test_a_read_only_mount_becomes_writable_in_its_namespace_alone() -> None:
    code = (
        "import os; from secnet.linux import sysctl\n"
        "forwards = sysctl.read('ipv4/ip_forward')\n"
        "print(sysctl.make_writable(), sysctl.make_writable())\n"
        "sysctl.write('ipv4/ip_forward', forwards)\n"
        "flags = os.statvfs('/proc/sys').f_flag\n"
        "print(bool(flags & os.ST_NOSUID), bool(flags & os.ST_NOEXEC))\n"
    )
    done = _in_a_container(code)
    assert done.stdout.split() == ["True", "False", "True", "True"], done.stderr
    assert not sysctl.make_writable(), "here it is writable"


def test_a_process_that_may_not_mount_hears_what_it_lacks() -> None:
    requires_command("setpriv")
    code = (
        "from secnet.linux import sysctl; from secnet.contract import MissingPrivilege\n"
        "try: sysctl.make_writable()\n"
        "except MissingPrivilege as error: print(error)\n"
    )
    done = _in_a_container(code, "setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", "--")
    assert "CAP_SYS_ADMIN" in done.stdout, done.stderr


def test_a_read_only_proc_says_what_the_container_needs() -> None:
    code = (
        "from secnet.linux import sysctl; from secnet.contract import MissingPrivilege\n"
        "try: sysctl.write('ipv4/ip_forward', '1')\n"
        "except MissingPrivilege as error: print(error)\n"
    )
    done = _in_a_container(code)
    assert done.stdout.startswith(MissingPrivilege.__name__), done.stderr
    assert "EROFS" in done.stdout
    assert "writable /proc/sys" in done.stdout
