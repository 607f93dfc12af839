"""What the API server says when it does not do what was asked."""

from __future__ import annotations

from typing import Any

__all__ = [
    "ApiError",
    "NoSuchGroup",
    "bad_version",
    "conflict",
    "deleted",
    "forbidden",
    "invalid",
    "not_found",
    "unknown_path",
]

Object = dict[str, Any]


class ApiError(Exception):
    """Becomes an answer with a body of kind Status."""

    def __init__(self, code: int, reason: str, message: str, details: Object | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    def body(self) -> Object:
        """The Status."""
        status: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        status |= {"message": self.message, "code": self.code} | ({"reason": self.reason} if self.reason else {})
        return status | ({"details": self.details} if self.details else {})


def not_found(plural: str, group: str, name: str) -> ApiError:
    """There is no such object."""
    where = f"{plural}.{group}" if group else plural
    return ApiError(404, "NotFound", f'{where} "{name}" not found', {"name": name, "group": group, "kind": plural})


class NoSuchGroup(ApiError):
    """There is no such group or version: the answer is a line of text, and no Status."""

    def __init__(self) -> None:
        super().__init__(404, "", "404 page not found\n")


def deleted(plural: str, group: str, obj: Object) -> Object:
    """The Status that answers a deletion."""
    details = {"name": obj["metadata"]["name"], "kind": plural, "uid": obj["metadata"]["uid"]}
    status: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return status | {"details": details | ({"group": group} if group else {})}


def bad_version(text: str) -> ApiError:
    """A resourceVersion that is no number."""
    return ApiError(500, "", f'strconv.ParseUint: parsing "{text}": invalid syntax')


def unknown_path() -> ApiError:
    """There is no such resource."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def conflict(plural: str, name: str, why: str) -> ApiError:
    """The object is not as the client believes."""
    message = f'Operation cannot be fulfilled on {plural} "{name}": {why}'
    return ApiError(409, "Conflict", message, {"name": name, "kind": plural})


def forbidden(message: str) -> ApiError:
    """RBAC says no."""
    return ApiError(403, "Forbidden", message, {})


def invalid(kind: str, name: str, field: str, why: str) -> ApiError:
    """The object is not valid."""
    cause = {"reason": "FieldValueInvalid", "message": why, "field": field}
    details = {"name": name, "kind": kind, "causes": [cause]}
    return ApiError(422, "Invalid", f'{kind} "{name}" is invalid: {field}: {why}', details)
