"""YAML as people write it: every document with its line; duplicate keys and alias bombs are refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

__all__ = ["YamlProblem", "read_yaml"]

_MOST_NODES = 200_000


class YamlProblem(ValueError):
    """A text that is no acceptable YAML; the message holds the line where it is known."""


class _Loader(yaml.SafeLoader):
    """The safe loader, refusing a key given twice: YAML itself forbids it, and the last one would silently win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == "tag:yaml.org,2002:merge":
                continue
            if key_node.value in seen:
                raise YamlProblem(f"line {key_node.start_mark.line + 1}: the key {key_node.value!r} is given twice")
            seen.add(key_node.value)
        return super().construct_mapping(node, deep=deep)


def read_yaml(text: str) -> list[tuple[Any, int]]:
    """The documents that are not empty, each with the line (from 1) where it begins. Raises YamlProblem."""
    try:
        return list(_documents(text))
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        line = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise YamlProblem(f"{line}{exc.problem or exc.context}") from exc
    except RecursionError as exc:
        raise YamlProblem("the nesting is too deep") from exc
    except yaml.YAMLError as exc:
        raise YamlProblem(" ".join(str(exc).split())) from exc
    except YamlProblem:
        raise
    except (ValueError, TypeError) as exc:  # a date such as 2024-99-99, a mapping as a key
        raise YamlProblem(str(exc)) from exc


def _documents(text: str) -> Iterator[tuple[Any, int]]:
    loader = _Loader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            if node is None:
                continue
            _limit(node)
            data = loader.construct_document(node)
            if data is not None:
                yield data, node.start_mark.line + 1
    finally:
        loader.dispose()


def _limit(root: yaml.Node) -> None:
    """Refuse what is small as text and huge, or endless, once its aliases are followed."""
    left = _MOST_NODES
    todo = [root]
    while todo:
        node = todo.pop()
        left -= 1
        if left < 0:
            raise YamlProblem(
                f"line {root.start_mark.line + 1}: more than {_MOST_NODES} values once aliases are followed"
            )
        if isinstance(node, yaml.SequenceNode):
            todo.extend(node.value)
        elif isinstance(node, yaml.MappingNode):
            todo.extend(part for pair in node.value for part in pair)
