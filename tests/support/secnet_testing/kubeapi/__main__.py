"""Run one: `python -m secnet_testing.kubeapi`. Prints one line of JSON with its two ports once it serves."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import socket
import ssl
from contextlib import suppress
from pathlib import Path

import yaml
from aiohttp import web
from secnet.linux.netns import in_netns

from .control import control_app
from .rbac import rules_of
from .resources import CRD
from .server import Server

_HOST = "127.0.0.1"
_PORTS = range(20000, 30000)  # below those from which the kernel chooses by itself
_TRIES = 100


class _Ports:
    """The API on one port, in each network namespace that asks for it, and its control on another."""

    def __init__(self, server: Server, tls: ssl.SSLContext | None) -> None:
        self._server = server
        self._tls = tls
        app = web.Application(client_max_size=8 << 20)
        app.router.add_route("*", "/{tail:.*}", server.handle)
        self._api = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.2)
        control = control_app(server, self.set_outage, self.listen_in, self.leave)
        self._control = web.AppRunner(control, access_log=None, shutdown_timeout=0.2)
        self._sites: dict[str, web.BaseSite] = {}
        self._namespaces: list[str] = []
        self.port = 0

    async def start(self, port: int) -> tuple[int, int]:
        """Serve; returns both ports."""
        await self._api.setup()
        await self._control.setup()
        self.port = port
        await self.set_outage(False)
        await web.TCPSite(self._control, _HOST, 0).start()
        return self.port, self._control.addresses[0][1]

    async def listen_in(self, namespace: str) -> None:
        """Serve at the same address and port of a network namespace as well, given by its path."""
        self._namespaces.append(namespace)
        await self._open(namespace)

    async def leave(self, namespace: str) -> None:
        """The opposite: a socket keeps its namespace alive."""
        self._namespaces.remove(namespace)
        if namespace in self._sites:
            await self._sites.pop(namespace).stop()

    async def set_outage(self, on: bool) -> None:
        """Refuse connections and cut those there are, or serve again on the same port."""
        if on:
            for site in self._sites.values():
                await site.stop()
            self._sites.clear()
            for connection in list(self._api.server.connections if self._api.server else ()):
                if connection.transport is not None:
                    connection.transport.abort()
        elif not self._sites:
            await self._open()
            self._namespaces = [path for path in self._namespaces if Path(path).exists()]  # a node's ends with its test
            for namespace in self._namespaces:
                await self._open(namespace)

    async def _open(self, namespace: str = "") -> None:
        """A socket belongs to the namespace in which it is made, whoever listens at it."""
        if namespace:
            with open(namespace, "rb") as file:
                bound = in_netns(file.fileno(), lambda: _bound(self.port))
        else:
            bound = _bound(self.port)
        self.port = bound.getsockname()[1]
        site = web.SockSite(self._api, bound, ssl_context=self._tls)
        await site.start()
        self._sites[namespace] = site

    async def stop(self) -> None:
        """End."""
        self._server.watches.cut()
        await self._api.cleanup()
        await self._control.cleanup()


def _bound(port: int) -> socket.socket:
    """A socket at this port; 0 takes one that no kernel gives away by itself, as it is to be free in other namespaces too."""
    if port:
        return _bind(port)
    for candidate in random.sample(_PORTS, _TRIES):
        with suppress(OSError):
            return _bind(candidate)
    raise OSError(f"no port of {_PORTS} is free")


def _bind(port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((_HOST, port))
    except OSError:
        made.close()
        raise
    return made


async def _serve(arguments: argparse.Namespace) -> None:
    server = Server(bookmarks=arguments.bookmarks)
    for path in arguments.crd:
        for manifest in yaml.safe_load_all(path.read_text()):
            if manifest and manifest.get("kind") == CRD.kind:
                server.store.create(CRD.name, "", manifest)
    if arguments.admin_token:
        server.tokens[arguments.admin_token] = None
    for text in arguments.role:
        token, _, path = text.partition("=")
        server.tokens[token] = rules_of(yaml.safe_load_all(Path(path).read_text()))
    tls = None
    if arguments.tls:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*arguments.tls)
    ports, end = _Ports(server, tls), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end.set)
    port, control = await ports.start(arguments.port)
    print(json.dumps({"port": port, "control": control}), flush=True)
    await end.wait()
    await ports.stop()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m secnet_testing.kubeapi", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 for a free one")
    parser.add_argument("--bookmarks", type=float, default=60.0, metavar="SECONDS", help="between two bookmarks")
    parser.add_argument(
        "--crd", type=Path, action="append", default=[], metavar="FILE", help="definitions at the start"
    )
    parser.add_argument("--admin-token", default="", metavar="TOKEN", help="without any token no one is asked for one")
    parser.add_argument(
        "--role", action="append", default=[], metavar="TOKEN=FILE", help="may do what the ClusterRoles in FILE allow"
    )
    parser.add_argument("--tls", nargs=2, metavar=("CERTIFICATE", "KEY"), help="serve the API with HTTPS")
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
