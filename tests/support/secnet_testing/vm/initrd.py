"""The guest's first file system: busybox and a handful of modules, which mount the machine's own root and go over to it.

The machine's `/` is the guest's read-only base, so that Python, the environment and the checkout are at the same paths; a
layer of kernel modules and one of memory lie over it. What the guest writes is gone with it, except below /out.
"""

from __future__ import annotations

import lzma
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["archive", "make_initrd", "module_order", "small_system"]

_DIRECTORY, _FILE, _LINK, _CHARACTER_DEVICE = 0o040755, 0o100755, 0o120777, 0o020600
_CONSOLE = (5, 1)
_APPLETS = ("sh", "mount", "insmod", "switch_root", "mkdir", "cat", "echo")
_ROOT_MODULES = ("9pnet_virtio", "9p", "overlay")

_INIT = """\
#!/bin/sh
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
{insert}
mkdir -p /mnt/host /mnt/extra /mnt/rw /mnt/root
share() {{ mount -t 9p -o "trans=virtio,version=9p2000.L,msize=512000,$3" "$1" "$2" || echo "guest: cannot mount $1"; }}
share host /mnt/host ro,cache=loose
share extra /mnt/extra ro,cache=loose
mount -t tmpfs tmpfs /mnt/rw
mkdir -p /mnt/rw/up/out /mnt/rw/work
cat /second > /mnt/rw/up/.second
mount -t overlay -o lowerdir=/mnt/extra:/mnt/host,upperdir=/mnt/rw/up,workdir=/mnt/rw/work overlay /mnt/root ||
  echo "guest: cannot mount the root"
share out /mnt/root/out cache=none
for each in proc sys dev; do mount --move /$each /mnt/root/$each; done
exec switch_root /mnt/root /bin/sh /.second
"""

# /run is new, as after every boot: what the machine runs is not to be seen in the guest.
_SECOND = """\
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
mount -t tmpfs tmpfs /run
mkdir -p /tmp /dev/shm /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t devpts devpts /dev/pts
ln -sfn /proc/self/fd /dev/fd
mount -t debugfs debugfs /sys/kernel/debug
mount -t cgroup2 cgroup2 /sys/fs/cgroup
hostname guest
ip link set lo up
echo "guest: begins"
sh /out/command > /out/output 2>&1 < /dev/null
echo $? > /out/code.new && mv /out/code.new /out/code
echo "guest: ends"
sync
echo o > /proc/sysrq-trigger
sleep 60
"""


def module_order(index: str, names: tuple[str, ...]) -> list[str]:
    """The files of modules and of all they need, in the order in which they can be inserted. index: modules.dep."""
    needs = {file: rest.split() for file, _, rest in (line.partition(":") for line in index.splitlines())}
    by_name = {Path(file).name.split(".ko")[0].replace("-", "_"): file for file in needs}
    order: dict[str, None] = {}
    for name in names:
        file = by_name[name]
        # modules.dep lists what a module needs with the deepest last.
        order |= dict.fromkeys([*reversed(needs[file]), file])
    return list(order)


def archive(entries: Mapping[str, tuple[int, bytes, tuple[int, int]]]) -> bytes:
    """A cpio archive in the kernel's format (newc). entries: path -> mode, content, device number."""
    parts: list[bytes] = []
    for number, (path, (mode, content, device)) in enumerate([*entries.items(), ("TRAILER!!!", (0, b"", (0, 0)))], 1):
        name = path.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(name), 0)
        header = b"070701" + b"".join(b"%08x" % field for field in fields) + name
        for part in (header, content):
            parts.append(part + b"\0" * (-len(part) % 4))
    return b"".join(parts)


def make_initrd(modules: Path, busybox: bytes) -> bytes:
    """The archive for the kernel whose modules lie in `modules`."""
    folders, second = ("sys", "mnt"), {"second": _SECOND.encode()}
    return small_system(modules, busybox, _INIT, _APPLETS, _ROOT_MODULES, folders=folders, files=second)


def small_system(
    modules: Path,
    busybox: bytes,
    init: str,
    applets: Sequence[str],
    names: tuple[str, ...],
    *,
    folders: Sequence[str] = (),
    files: Mapping[str, bytes] | None = None,
) -> bytes:
    """An archive with busybox and some modules of the kernel whose modules lie in `modules`.

    init: the text of /init; `{insert}` in it stands for the lines that insert the modules `names`. folders, files: what else
    there is to be.
    """
    plain = (0, 0)
    entries = dict.fromkeys(("bin", "dev", "proc", "modules", *folders), (_DIRECTORY, b"", plain))
    entries["dev/console"] = (_CHARACTER_DEVICE, b"", _CONSOLE)
    entries["bin/busybox"] = (_FILE, busybox, plain)
    entries |= {f"bin/{name}": (_LINK, b"busybox", plain) for name in applets}
    insert = []
    for file in module_order((modules / "modules.dep").read_text(), names):
        content = (modules / file).read_bytes()
        name = Path(file).name.removesuffix(".xz")
        entries[f"modules/{name}"] = (_FILE, lzma.decompress(content) if file.endswith(".xz") else content, plain)
        insert.append(f"insmod /modules/{name}")
    entries["init"] = (_FILE, init.format(insert="\n".join(insert)).encode(), plain)
    entries |= {name: (_FILE, content, plain) for name, content in (files or {}).items()}
    return archive(entries)
