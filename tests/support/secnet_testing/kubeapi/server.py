"""The HTTP side: who asks, what for, and whether he may."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web

from .answers import ApiError, NoSuchGroup, Object, bad_version, forbidden, unknown_path
from .discovery import discovered
from .faults import Asked, Faults
from .lists import Lists
from .patches import patched
from .rbac import Rules, allows
from .resources import Resource, ResourceName
from .selectors import selector
from .store import Store
from .watching import Watches

__all__ = ["Server"]

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_REVIEW = ["apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """What a path means."""

    resource: Resource
    namespace: str
    name: str
    subresource: str

    @property
    def rbac_resource(self) -> str:
        return f"{self.resource.plural}/{self.subresource}" if self.subresource else self.resource.plural


class Server:
    """Answers requests. tokens: the rules of each bearer token, None for one that may do all; empty: no one is asked."""

    def __init__(self, *, bookmarks: float) -> None:
        self.store = Store()
        self.faults = Faults()
        self.asked: list[Asked] = []
        self.tokens: dict[str, Rules | None] = {}
        self.lists = Lists(self.store)
        self.watches = Watches(self.store, bookmarks)
        self.store.on_change = self.watches.wake

    def compact(self) -> None:
        """Forget history."""
        self.lists.forget()
        self.store.compact()

    def reset(self, token: str) -> None:
        """As at the start, but for definitions and namespaces; of the tokens only this one stays."""
        self.faults.clear()
        self.watches.cut()
        self.store.clear()
        self.tokens = {token: self.tokens[token]}
        self.asked.clear()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Any request but those of the control port."""
        place = len(self.asked)
        token = request.headers.get("Authorization", "").partition(" ")[2].strip()
        note = Asked(
            method=request.method,
            path=request.path_qs,
            verb="",
            resource="",
            content_type=request.headers.get("Content-Type", ""),
            status=0,
            token=token,
        )
        self.asked.append(note)
        try:
            return await self._answer(request, place, token)
        except ApiError as exc:
            self._note(place, status=exc.code)
            if isinstance(exc, NoSuchGroup):
                return web.Response(text=exc.message, status=exc.code)
            headers = {"Retry-After": "1"} if exc.code == 429 else None
            return web.json_response(exc.body(), status=exc.code, headers=headers)

    async def _answer(self, request: web.Request, place: int, token: str) -> web.StreamResponse:
        await self._fault(request, token)
        rules = self._rules(token)
        parts = [part for part in request.path.split("/") if part]
        if parts == _REVIEW and request.method == "POST":
            return self._json(place, _review(await request.json(), rules), 201)
        if parts in (["healthz"], ["livez"], ["readyz"]):
            self._note(place, status=200)
            return web.Response(text="ok")
        found = discovered(parts, [table.resource for table in self.store.tables.values()])
        if found is not None and request.method == "GET":
            return self._json(place, found)
        target = self._target(parts)
        watch = request.query.get("watch", "").lower() in ("true", "1")
        verb = _VERBS.get(request.method) or ("get" if target.name else "watch" if watch else "list")
        self._note(place, verb=verb, resource=target.rbac_resource)
        if rules is not None and not allows(rules, verb, target.resource.group, target.rbac_resource, target.name):
            raise forbidden(
                f'{target.rbac_resource} is forbidden: User "test" cannot {verb} resource "{target.rbac_resource}" '
                f'in API group "{target.resource.group}" at the cluster scope'
            )
        if request.method == "GET" and not target.name:
            matches = selector(target.resource, request.query, target.namespace)
            if watch:
                _check_watch(request.query)
                self._note(place, status=200)
                return await self.watches.serve(request, target.resource, matches, request.query)
            return self._json(place, self.lists.page(target.resource, matches, request.query))
        body = await _body(request)
        self._note(place, body=body)
        return self._json(place, self._write(request, target, body), 201 if request.method == "POST" else 200)

    def _write(self, request: web.Request, target: _Target, body: Any) -> Object:
        """Everything about one object, reading it among the rest."""
        name, namespace, key = target.resource.name, target.namespace, target.name
        if (name.plural, target.subresource, request.method) == ("pods", "binding", "POST"):
            return self.store.bind(namespace, key, body["target"]["name"])
        if target.subresource and (target.subresource != "status" or not target.resource.status):
            raise unknown_path()
        match request.method:
            case "GET":
                return self.store.get(name, namespace, key)
            case "POST" if not key:
                if target.resource.namespaced and not namespace:
                    raise unknown_path()
                return self.store.create(name, namespace, body)
            case "DELETE" if key:
                options = body if isinstance(body, dict) else {}
                if "gracePeriodSeconds" in request.query:
                    options = options | {"gracePeriodSeconds": int(request.query["gracePeriodSeconds"])}
                return self.store.delete(name, namespace, key, options)
            case "PUT" if key:
                return self.store.update(name, namespace, key, body, subresource=target.subresource, patch=False)
            case "PATCH" if key:
                new = patched(target.resource, self.store.get(name, namespace, key), request.content_type, body)
                return self.store.update(name, namespace, key, new, subresource=target.subresource, patch=True)
        raise ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")

    def _target(self, parts: list[str]) -> _Target:
        match parts:
            case ["api", version, *rest]:
                group = ""
            case ["apis", group, version, *rest]:
                pass
            case _:
                raise unknown_path()
        namespace = ""
        if len(rest) >= 3 and rest[0] == "namespaces" and rest[2] != "status":
            namespace, rest = rest[1], rest[2:]
        table = self.store.tables.get(ResourceName(group, version, rest[0])) if rest else None
        if table is None or len(rest) > 3:
            raise unknown_path() if any(name[:2] == (group, version) for name in self.store.tables) else NoSuchGroup()
        name, subresource = (*rest[1:], "", "")[:2]
        return _Target(resource=table.resource, namespace=namespace, name=name, subresource=subresource)

    def _rules(self, token: str) -> Rules | None:
        if self.tokens and token not in self.tokens:
            raise ApiError(401, "Unauthorized", "Unauthorized")
        return self.tokens.get(token)

    async def _fault(self, request: web.Request, token: str) -> None:
        fault = self.faults.due(request.method, request.path_qs, token)
        if fault is None:
            return
        if fault.kind == "status":
            reasons = {403: "Forbidden", 410: "Expired", 429: "TooManyRequests", 504: "Timeout"}
            raise ApiError(fault.status, reasons.get(fault.status, "InternalError"), "a fault that the test asked for")
        if fault.kind == "hang":
            await asyncio.get_running_loop().create_future()  # ends when the client leaves
        if request.transport is not None:
            request.transport.abort()
        raise asyncio.CancelledError

    def _json(self, place: int, body: Object, status: int = 200) -> web.Response:
        self._note(place, status=status)
        return web.json_response(body, status=status)

    def _note(self, place: int, **facts: Any) -> None:
        if place < len(self.asked):  # else the log was cleared meanwhile
            self.asked[place] = replace(self.asked[place], **facts)


def _check_watch(query: Mapping[str, str]) -> None:
    if not query.get("timeoutSeconds", "0").isdecimal():
        raise ApiError(400, "BadRequest", f'strconv.ParseInt: parsing "{query["timeoutSeconds"]}": invalid syntax')
    if not query.get("resourceVersion", "0").isdecimal() and query["resourceVersion"]:
        raise bad_version(query["resourceVersion"])


async def _body(request: web.Request) -> Any:
    text = await request.text()
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError as exc:
        raise ApiError(400, "BadRequest", f"the body is not JSON: {exc}") from exc


def _review(body: Object, rules: Rules | None) -> Object:
    asked = body["spec"]["resourceAttributes"]
    sub = f"/{asked['subresource']}" if asked.get("subresource") else ""
    allowed = rules is None or allows(
        rules, asked["verb"], asked.get("group", ""), asked["resource"] + sub, asked.get("name", "")
    )
    return {"metadata": {}} | body | {"status": {"allowed": allowed}}
