"""The control port, by which a test makes faults and looks at what was asked. It stays when the API itself is away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict

from aiohttp import web

from .faults import Fault
from .server import Server

__all__ = ["control_app"]


def control_app(
    server: Server,
    set_outage: Callable[[bool], Awaitable[None]],
    listen_in: Callable[[str], Awaitable[None]],
    leave: Callable[[str], Awaitable[None]],
) -> web.Application:
    """set_outage: makes the API's port refuse connections, and serve again. listen_in, leave: serve in a network namespace
    too, and no longer."""

    async def compact(_: web.Request) -> web.Response:
        server.compact()
        return web.json_response({})

    async def cut(_: web.Request) -> web.Response:
        return web.json_response({"cut": server.watches.cut()})

    async def fail(request: web.Request) -> web.Response:
        server.faults.add(Fault(**await request.json()))
        return web.json_response({})

    async def no_faults(_: web.Request) -> web.Response:
        server.faults.clear()
        return web.json_response({})

    async def outage(request: web.Request) -> web.Response:
        await set_outage((await request.json())["on"])
        return web.json_response({})

    async def stop_listening(request: web.Request) -> web.Response:
        await leave((await request.json())["namespace"])
        return web.json_response({})

    async def listen(request: web.Request) -> web.Response:
        await listen_in((await request.json())["namespace"])
        return web.json_response({})

    async def token(request: web.Request) -> web.Response:
        body = await request.json()
        server.tokens[body["token"]] = body["rules"]
        return web.json_response({})

    async def no_token(request: web.Request) -> web.Response:
        server.tokens.pop((await request.json())["token"], None)
        return web.json_response({})

    async def requests(_: web.Request) -> web.Response:
        return web.json_response([asdict(item) for item in server.asked])

    async def no_requests(_: web.Request) -> web.Response:
        server.asked.clear()
        return web.json_response({})

    async def watches(_: web.Request) -> web.Response:
        return web.json_response({"count": len(server.watches)})

    async def reset(request: web.Request) -> web.Response:
        server.reset((await request.json())["keep"])
        return web.json_response({})

    app = web.Application()
    app.add_routes(
        [
            web.post("/compact", compact),
            web.post("/cut", cut),
            web.post("/faults", fail),
            web.delete("/faults", no_faults),
            web.post("/outage", outage),
            web.post("/namespaces", listen),
            web.delete("/namespaces", stop_listening),
            web.post("/tokens", token),
            web.delete("/tokens", no_token),
            web.get("/requests", requests),
            web.delete("/requests", no_requests),
            web.get("/watches", watches),
            web.post("/reset", reset),
        ]
    )
    return app
