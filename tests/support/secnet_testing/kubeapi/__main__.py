"""Run one: `python -m secnet_testing.kubeapi`. Prints one line of JSON with its two ports once it serves."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
from pathlib import Path

import yaml
from aiohttp import web

from .control import control_app
from .rbac import rules_of
from .resources import CRD
from .server import Server

_HOST = "127.0.0.1"


class _Ports:
    """The API on one port and its control on another."""

    def __init__(self, server: Server) -> None:
        self._server = server
        app = web.Application(client_max_size=8 << 20)
        app.router.add_route("*", "/{tail:.*}", server.handle)
        self._api = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.2)
        self._control = web.AppRunner(control_app(server, self.set_outage), access_log=None, shutdown_timeout=0.2)
        self._site: web.TCPSite | None = None
        self.port = 0

    async def start(self, port: int) -> tuple[int, int]:
        """Serve; returns both ports."""
        await self._api.setup()
        await self._control.setup()
        self.port = port
        await self.set_outage(False)
        await web.TCPSite(self._control, _HOST, 0).start()
        return self.port, self._control.addresses[0][1]

    async def set_outage(self, on: bool) -> None:
        """Refuse connections and cut those there are, or serve again on the same port."""
        if on and self._site is not None:
            await self._site.stop()
            self._site = None
            for connection in list(self._api.server.connections if self._api.server else ()):
                if connection.transport is not None:
                    connection.transport.abort()
        elif not on and self._site is None:
            self._site = web.TCPSite(self._api, _HOST, self.port, reuse_address=True)
            await self._site.start()
            self.port = self._api.addresses[0][1]

    async def stop(self) -> None:
        """End."""
        self._server.watches.cut()
        await self._api.cleanup()
        await self._control.cleanup()


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
    ports, end = _Ports(server), asyncio.Event()
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
    parser.add_argument("--admin-token", default="", metavar="TOKEN", help="without any token nobody is asked for one")
    parser.add_argument(
        "--role", action="append", default=[], metavar="TOKEN=FILE", help="may do what the ClusterRoles in FILE allow"
    )
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
