"""The node group of the agent: found before it starts, and watched while it runs.

A change of labels that selects another group is to the agent what a change of its configuration is: it ends, and a new process
begins with the other settings. Living attachments stay, as with every new start.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import closing

from secnet.contract import InvalidConfig, SecnetError

from ..base.backoff import Backoff
from ..cluster.interface import ApiReader, Cluster
from ..config.node_groups import group_of
from ..config.settings import Settings
from ..preflight.node_labels import read_labels, remembered_labels

__all__ = ["GroupWatch", "has_groups", "wait_for_labels"]

_log = logging.getLogger(__name__)

_RETRY_SECONDS = (1.0, 15.0)
_JOIN_SECONDS = 5.0


def has_groups(settings: Settings) -> bool:
    """Whether the settings depend on the labels of the Node: without the Kubernetes API there are none."""
    return bool(settings.node_groups) and settings.kubernetes is not None


def wait_for_labels(settings: Settings, cluster: Cluster, stopped: Callable[[float], bool]) -> Mapping[str, str] | None:
    """The labels of this Node: those that it has now, or while the API does not answer those of the last agent.

    Waits where there are neither, as the agent cannot know its bridges. stopped: waits so many seconds for the request to
    stop; then None.
    """
    backoff = Backoff(*_RETRY_SECONDS)
    with closing(_reader(cluster)) as reader:
        while True:
            try:
                return read_labels(reader, settings)
            except SecnetError as exc:
                found = remembered_labels(settings)
                if found is not None:
                    _log.warning("the labels of Node %s are those of the last start: %s", settings.node_name, exc)
                    return found
                _log.warning("waiting for the labels of Node %s, to choose a node group: %s", settings.node_name, exc)
            if stopped(backoff.delay()):
                return None


class GroupWatch:
    """Reads the labels every `checkInterval`, from `start` until `close`.

    settings: with the group that is in use. changed: called once, when the labels select another one.
    """

    def __init__(self, settings: Settings, cluster: Cluster, changed: Callable[[], object]) -> None:
        self._settings = settings
        self._reader = _reader(cluster)
        self._changed = changed
        self._said = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="node-group", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End, and close the connection."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_JOIN_SECONDS)
        self._reader.close()

    def look(self) -> bool:
        """Read the labels once. Whether they select another group."""
        try:
            group = group_of(self._settings.node_groups, read_labels(self._reader, self._settings))
        except InvalidConfig as exc:
            self._say(f"Node {self._settings.node_name}: {exc}; what is in use stays until then")
            return False
        except SecnetError:
            return False  # the API does not answer: said by the source of the objects
        if group == self._settings.node_group:
            self._said = ""
            return False
        self._say(
            f"the labels of Node {self._settings.node_name} select {_in_words(group)} "
            f"in place of {_in_words(self._settings.node_group)}: starting again with its settings"
        )
        return True

    def _loop(self) -> None:
        while not self._stop.wait(self._settings.check_interval):
            if self.look():
                self._changed()
                return

    def _say(self, text: str) -> None:
        if text != self._said:
            _log.warning("%s", text)
        self._said = text


def _reader(cluster: Cluster) -> ApiReader:
    reader = cluster.reader()
    assert reader is not None, "there are no node groups without the Kubernetes API"
    return reader


def _in_words(group: str) -> str:
    return f"the node group {group!r}" if group else "no node group"
