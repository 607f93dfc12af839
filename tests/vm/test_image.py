"""What guests boot from: the parts that need no guest, and every way in which making it can fail."""

from __future__ import annotations

import http.server
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from secnet_testing.vm import MirrorUnreachable, PrepareError, lanes, prepare
from secnet_testing.vm.apt import PrivateApt, is_unreachable, machine_mirror
from secnet_testing.vm.image import cache_folder
from secnet_testing.vm.initrd import archive, module_order
from secnet_testing.vm.kernel import PrivateTools, build_module, vmlinux

pytestmark = pytest.mark.unit

NOBODY_LISTENS = "http://127.0.0.1:1/debian"


class _Nothing(http.server.BaseHTTPRequestHandler):
    """A mirror that answers, and has nothing."""

    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def empty_mirror() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Nothing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/debian"
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _straight(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy: it would answer in place of a mirror that is not there."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


# --- The mirror ---------------------------------------------------------------------------------------------------------


def test_a_mirror_that_cannot_be_reached_is_distinguished(tmp_path: Path) -> None:
    with pytest.raises(MirrorUnreachable, match=r"apt-get .* failed"):
        PrivateApt(tmp_path, NOBODY_LISTENS, ["bookworm"]).update()


def test_a_mirror_that_answers_with_an_error_was_reached(tmp_path: Path, empty_mirror: str) -> None:
    with pytest.raises(PrepareError, match="does not have a Release file") as caught:
        PrivateApt(tmp_path, empty_mirror, ["bookworm"]).update()
    assert not isinstance(caught.value, MirrorUnreachable)


@pytest.mark.parametrize(
    "text",
    [
        "W: Failed to fetch http://x/InRelease  Temporary failure resolving 'x'",
        "E: Failed to fetch http://x/InRelease  Could not connect to x:80 (192.0.2.1). - connect (111: Connection refused)",
        "Err:1 http://x bookworm InRelease\n  Connection timed out [IP: 192.0.2.1 80]",
        "Cannot initiate the connection to x:80 (2001:db8::1). - connect (101: Network is unreachable)",
    ],
)
def test_what_apt_says_of_a_mirror_that_is_away(text: str) -> None:
    assert is_unreachable(text)


@pytest.mark.parametrize(
    "text",
    [
        "E: Failed to fetch http://x/InRelease  404  Not Found [IP: 192.0.2.1 80]",
        "W: GPG error: http://x bookworm InRelease: The following signatures were invalid: EXPKEYSIG",
        "E: Unable to locate package qemu-system-x86",
        "E: You don't have enough free space in /var/cache/apt/archives/.",
    ],
)
def test_what_is_no_excuse(text: str) -> None:
    assert not is_unreachable(text)


def test_the_mirror_is_that_of_the_machines_apt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECNET_VM_MIRROR", raising=False)
    with pytest.raises(PrepareError, match="no repository of noble: name a mirror in SECNET_VM_MIRROR"):
        machine_mirror("noble")
    monkeypatch.setenv("SECNET_VM_MIRROR", NOBODY_LISTENS)
    assert machine_mirror("noble") == NOBODY_LISTENS


def test_nothing_is_left_of_an_image_that_could_not_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECNET_VM_CACHE", str(tmp_path))
    monkeypatch.setenv("SECNET_VM_MIRROR", NOBODY_LISTENS)
    (tmp_path / "making-killed").mkdir()
    with pytest.raises(MirrorUnreachable):
        prepare()
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_without_a_mirror_tests_are_not_run_and_the_promise_is_broken(
    pytester: pytest.Pytester, empty_mirror: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makeini("[pytest]\nmarkers =\n    unit\n    vm\n    vm_guest\n")
    pytester.makeconftest("pytest_plugins = ['tiers', 'secnet_testing.vm.remote']")
    pytester.makepyfile(
        "import pytest\npytestmark = [pytest.mark.vm, pytest.mark.vm_guest]\ndef test_a(): pass\ndef test_b(): pass"
    )
    monkeypatch.setenv("SECNET_VM_CACHE", str(pytester.path / "cache"))
    monkeypatch.setenv("SECNET_VM_MIRROR", NOBODY_LISTENS)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[1] / "support"))

    result = pytester.runpytest_subprocess("--promise=vm")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "tier vm: 0 ran, 0 skipped, promised, 2 not run: mirror unreachable",
            "promise broken: 2 tests, *::test_a and others: promised tier vm: Skipped: mirror unreachable: *",
        ]
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(skipped=2)
    assert result.ret == 0

    monkeypatch.setenv("SECNET_VM_MIRROR", empty_mirror)
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(failed=2)


def test_the_cache_is_outside_the_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SECNET_VM_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "secnet-vm"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache/secnet-vm"
    monkeypatch.setenv("SECNET_VM_CACHE", str(tmp_path / "here"))
    assert cache_folder() == tmp_path / "here"


# --- Kernel and initrd --------------------------------------------------------------------------------------------------


def test_modules_are_inserted_after_what_they_need() -> None:
    index = "kernel/9p.ko.xz: kernel/9pnet.ko.xz kernel/netfs.ko.xz\nkernel/9pnet.ko.xz:\nkernel/netfs.ko.xz:\n"
    index += "kernel/9pnet_virtio.ko.xz: kernel/9pnet.ko.xz\n"
    order = module_order(index, ("9pnet_virtio", "9p"))
    assert order == [f"kernel/{name}.ko.xz" for name in ("9pnet", "9pnet_virtio", "netfs", "9p")]


def test_the_archive_is_what_cpio_reads(tmp_path: Path) -> None:
    plain = (0, 0)
    made = archive({"d": (0o040755, b"", plain), "d/f": (0o100644, b"text", plain), "l": (0o120777, b"d/f", plain)})
    busybox = ["busybox", "cpio", "-i", "-d"]
    subprocess.run(busybox, input=made, cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "l").is_symlink()
    assert (tmp_path / "l").read_text() == "text"


def test_an_image_that_is_packed_in_an_unknown_way_is_refused(tmp_path: Path) -> None:
    image = bytearray(0x400)
    image[0x1F1] = 1
    image[0x248:0x250] = (0).to_bytes(4, "little") + (8).to_bytes(4, "little")
    with pytest.raises(PrepareError, match="packed in an unknown way"):
        vmlinux(bytes(image) + b"whatever", PrivateTools(root=tmp_path))


def test_a_module_that_does_not_compile_shows_why(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "headers").mkdir()
    (tmp_path / "headers/Makefile").write_text("modules:\n\t@echo no such thing; false\n")
    with pytest.raises(PrepareError, match="thing cannot be built for the guest's kernel: no such thing"):
        build_module(tmp_path / "source", "thing", tmp_path / "headers", tmp_path / "work")


class StuckGuest:
    """A guest that boots or does not. A stand-in, because no emulator hangs when it is told to."""

    def __init__(self, *, booted: bool) -> None:
        self.booted, self.closed = booted, False

    def post_mortem(self) -> str:
        return "the end of its console"

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(("late", "boots"), [(0.0, 1), (lanes.BOOT_SECONDS, lanes.BOOTS)], ids=["in time", "too late"])
def test_a_guest_whose_boot_hangs_is_booted_again_and_not_for_ever(
    late: float, boots: int, capsys: pytest.CaptureFixture[str]
) -> None:
    made: list[Any] = [StuckGuest(booted=False)]

    def boot() -> Any:
        made.append(StuckGuest(booted=False))
        return made[-1]

    lane = lanes.Lane(boot=boot, tests=(), guest=made[0])
    for _ in range(5):
        lane.since -= late
        lane.mind_boot()
    assert len(made) == boots
    assert [guest.closed for guest in made] == [True] * (boots - 1) + [False]
    assert capsys.readouterr().out.count("the end of its console") == boots - 1


def test_a_guest_that_has_booted_is_left_to_its_tests() -> None:
    guest: Any = StuckGuest(booted=True)
    lane = lanes.Lane(boot=lambda: guest, tests=(), guest=guest, since=float("-inf"))
    lane.mind_boot()
    assert not guest.closed
