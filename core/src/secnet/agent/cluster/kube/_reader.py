"""The Kubernetes API as a whole, for `secnet doctor`: paths and plain dicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from secnet.contract import NotReady, ObjectNotFound

from ..interface import ApiReader
from ._api import Api
from ._requests import PathRequest, Verb, info_at

__all__ = ["KubeReader"]


class KubeReader(ApiReader):
    """See `ApiReader`. One request for each call. api: one of its own, as a read that is denied is no problem of the agent."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._transport = api.transport()

    def get(self, path: str) -> dict[str, Any]:
        """See `ApiReader.get`."""
        return self._ask("get", path, None)

    def list(self, path: str, *, fields: str = "") -> list[dict[str, Any]]:
        """See `ApiReader.list`."""
        query = f"?{urlencode({'fieldSelector': fields})}" if fields else ""
        found: list[dict[str, Any]] = self._ask("list", path + query, None).get("items") or []
        return found

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """See `ApiReader.post`."""
        return self._ask("create", path, dict(body))

    def close(self) -> None:
        """See `ApiReader.close`."""
        self._transport.close()

    def _ask(self, verb: Verb, path: str, body: Any) -> dict[str, Any]:
        request = PathRequest(verb=verb, kind=info_at(path).plural, where=path, body=body)
        try:
            return self._api.call(self._transport, request)
        except ObjectNotFound:
            raise
        except NotReady as exc:  # the resource itself is unknown
            raise ObjectNotFound(exc.message, hint=exc.hint, subject=exc.subject) from exc
