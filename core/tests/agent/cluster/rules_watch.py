"""What every watch must do; see `rules`."""

from __future__ import annotations

import copy
import threading

import pytest
from secnet.agent.cluster.interface import Event
from secnet.contract import Unsupported

from .helpers import NETWORKS, Recorder, nad, pod, pool, until
from .rules import World


class WatchRules:
    """Watching. The subclass provides the fixture `world`."""

    def test_watch_tells_what_exists_and_then_what_changes(self, world: World) -> None:
        uid = world.create(pod("a"))["metadata"]["uid"]
        world.create(pool("p"))
        recorder = Recorder()
        watch = world.cluster.watch(("Pod",), recorder)
        assert watch.synced.wait(20)
        assert recorder.seen == [("ADDED", "a")]
        world.create(pod("b"))
        recorder.wait_for("ADDED", "b")
        world.second.patch_pod("a", "default", uid, annotations={"x": "1"})
        assert recorder.wait_for("MODIFIED", "a").object["metadata"]["annotations"]["x"] == "1"
        world.delete("Pod", "a", "default")
        gone = recorder.wait_for("DELETED", "a").object
        assert gone["metadata"]["annotations"]["x"] == "1"
        assert all(name != "p" for _, name in recorder.seen)
        versions = [int(event.object["metadata"]["resourceVersion"]) for event in recorder.events]
        assert versions == sorted(set(versions))

    def test_watch_tells_a_successor_apart(self, world: World) -> None:
        first = world.create(pod("a", "net1"))
        recorder = Recorder()
        assert world.cluster.watch(("Pod",), recorder).synced.wait(20)
        world.delete("Pod", "a", "default")
        second = world.create(pod("a", "net1"))
        # An API server marks a Pod as being deleted first: that may be one more event, or none if its end follows closely.
        until(lambda: [kind for kind, _ in recorder.seen].count("ADDED") == 2, "the successor")
        events = [event for event in recorder.events if event.type != "MODIFIED"]
        assert [event.type for event in events] == ["ADDED", "DELETED", "ADDED"]
        uids = [event.object["metadata"]["uid"] for event in events]
        assert uids == [first["metadata"]["uid"]] * 2 + [second["metadata"]["uid"]]

    def test_watch_survives_a_handler_that_fails_and_one_that_edits(self, world: World) -> None:
        recorder = Recorder()

        def handler(event: Event) -> None:
            recorder(Event(type=event.type, object=copy.deepcopy(event.object)))
            event.object["metadata"].pop("annotations", None)
            raise RuntimeError("a fault of the handler")

        world.create(pod("a", "net1"))
        assert world.cluster.watch(("Pod",), handler).synced.wait(20)
        world.delete("Pod", "a", "default")
        assert recorder.wait_for("DELETED", "a").object["metadata"]["annotations"] == {NETWORKS: "net1"}

    def test_a_closed_watch_is_silent_and_leaves_no_thread(self, world: World) -> None:
        before = set(threading.enumerate())
        recorder = Recorder()
        watch = world.cluster.watch(("Pod",), recorder)
        assert watch.synced.wait(20)
        watch.close()
        watch.close()
        world.create(pod("late"))
        witness = Recorder()
        assert world.cluster.watch(("Pod",), witness).synced.wait(20)
        assert witness.seen == [("ADDED", "late")]
        assert recorder.seen == []
        world.cluster.close()
        world.cluster.close()
        assert set(threading.enumerate()) <= before

    def test_each_kind_that_is_watched_is_reported(self, world: World) -> None:
        makers = {"Pod": pod, "NetworkAttachmentDefinition": nad, "IPPool": pool}
        assert {"Pod", "NetworkAttachmentDefinition"} <= set(world.cluster.watched)
        early = [world.create(makers[kind]("early")) for kind in world.cluster.watched]
        recorder = Recorder()
        assert world.cluster.watch(world.cluster.watched, recorder).synced.wait(20)
        late = [world.create(makers[kind]("late")) for kind in world.cluster.watched]
        until(lambda: len(recorder.events) >= len(early + late), "all of them")
        delivered = {
            (event.object["apiVersion"], event.object["kind"], event.object["metadata"]["uid"])
            for event in recorder.events
        }
        assert delivered == {(obj["apiVersion"], obj["kind"], obj["metadata"]["uid"]) for obj in early + late}

    def test_what_is_not_watched_is_refused(self, world: World) -> None:
        for kind in {"Pod", "NetworkAttachmentDefinition", "IPPool"} - set(world.cluster.watched):
            with pytest.raises(Unsupported, match=kind):
                world.cluster.watch(("Pod", kind), Recorder())

    def test_a_handler_is_called_by_one_thread_at_a_time(self, world: World) -> None:
        inside, met, seen = threading.Lock(), threading.Event(), Recorder()

        def handler(event: Event) -> None:
            if not inside.acquire(blocking=False):
                met.set()
                return
            for _ in range(50):
                copy.deepcopy(event.object)  # so that another thread has its chance
            seen(event)
            inside.release()

        for number in range(30):
            world.create(pod(f"p{number}"))
            world.create(nad(f"n{number}"))
        assert world.cluster.watch(("Pod", "NetworkAttachmentDefinition"), handler).synced.wait(20)
        assert not met.is_set()
        assert len(seen.events) == 60
