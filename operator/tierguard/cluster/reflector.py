"""One watched collection: list, then watch, for ever; what vanished while nobody looked is noticed on the next list.

Why not the informer of the official client: it knows only typed models (no custom resources), cannot tell how stale it
is, and has no bound on a silent connection. Why not kopf's events: after a relist kopf does not say what is gone.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import msgspec

from tierguard.cluster.client import JSON, Api, ApiError
from tierguard.cluster.known import Form, Known, Place, place
from tierguard.cluster.pages import PAGE, Pages
from tierguard.guard.model.objects import KubeObject

log = logging.getLogger(__name__)

WATCH_SECONDS = 60
"""The server ends a watch after this time, and a new watch goes on where it stopped. For a quiet kind this is the only sign
of life: the API server sends no bookmarks before the first event of a kind."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Pauses and limits, in seconds."""

    first_pause: float = 0.2
    longest_pause: float = 5.0
    """After a failure; each is twice as long as the one before."""
    settled: float = 5.0
    """A watch that ends sooner was none: it is followed by a pause like any failure."""
    relist: float = 30.0
    """After so long of failures alone, watches that tell nothing among them, a list is tried instead."""
    silence: float = 75.0
    """Not even the end of the watch came: the connection is dead."""


class Pace:
    """The pauses after failures. They are never shorter than the API server asks for. Only the jitter is random."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._next = timing.first_pause

    def well(self) -> None:
        """Begin with the shortest again."""
        self._next = self._timing.first_pause

    def pause(self, asked: float = 0.0) -> float:
        """Seconds to wait now; the API server `asked` for so many."""
        # Jitter: replicas that lost the API server together must not come back together.
        pause = max(self._next, asked) * random.uniform(1.0, 1.5)  # noqa: S311 - no secret
        self._next = min(self._next * 2, self._timing.longest_pause)
        return pause


@dataclass(frozen=True, slots=True)
class Collection:
    """What to watch. `api_version` and `kind` are put back into each object: lists leave them out.

    `form` says how what is known is kept.
    """

    path: str
    api_version: str
    kind: str
    query: Mapping[str, str] = field(default_factory=dict)
    metadata_only: bool = False
    """Whether only the objects' metadata is asked for: their contents never come here."""
    form: Form = Form.PACKED

    @property
    def listed_as(self) -> str:
        """The media type of its lists."""
        return _METADATA.format("List") if self.metadata_only else JSON

    @property
    def watched_as(self) -> str:
        """The media type of its watches."""
        return _METADATA.format("") if self.metadata_only else JSON


_METADATA = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1"
PARTIAL = "PartialObjectMetadata"
"""The kind of what is watched by its metadata only."""

Receive = Callable[[KubeObject], None]
Compare = Callable[[KubeObject | None, KubeObject], None]


class _Expired(Exception):  # noqa: N818 - the end of a watch that a new list continues, no error
    """The resourceVersion is too old to go on from."""


class Reflector:
    """Keeps a consumer informed about one collection, from a thread of its own.

    `changed` is called with the form known before (None where it is new) and the object, `gone` with the last known form of
    one that no longer exists. `trim` may cut an object down before it is kept. Both callbacks run on the reflector's thread,
    one at a time.
    """

    def __init__(
        self,
        api: Api,
        collection: Collection,
        changed: Compare,
        gone: Receive,
        trim: Callable[[Any], KubeObject],
        timing: Timing | None = None,
    ) -> None:
        self._api = api
        self.collection = collection
        self._changed = changed
        self._gone = gone
        self._trim = trim
        self._timing = timing or Timing()
        self._pace = Pace(self._timing)
        self._pages = Pages()
        self._known = Known(collection.form, collection.kind)
        self._version: str | None = None
        self._last_contact: float | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watch-{collection.kind}", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end. The thread is a daemon: an open watch does not keep the process alive."""
        self._stopping.set()

    def staleness(self) -> float | None:
        """Seconds since the API server was last heard of; None before the first complete list."""
        return None if self._last_contact is None else time.monotonic() - self._last_contact

    def known(self) -> Known:
        """What is there, trimmed."""
        return self._known

    def _run(self) -> None:
        deaf_since: float | None = None
        while not self._stopping.is_set():
            began, heard = time.monotonic(), self._last_contact
            asked = self._attempt()
            now = time.monotonic()
            if self._last_contact != heard:
                deaf_since = None
                if now - began >= self._timing.settled:
                    self._pace.well()
                    if asked is None:
                        continue
            elif deaf_since is None:
                deaf_since = now
            elif now - deaf_since > self._timing.relist:
                self._version = deaf_since = None
            # Also after a watch that the server ended at once, or that began too far back: it may do that for ever.
            self._stopping.wait(self._pace.pause(asked or 0.0))

    def _attempt(self) -> float | None:
        """List if need be, and watch. None when the watch ended, else for how many seconds the API server wants no more."""
        kind = self.collection.kind
        try:
            if self._version is None:
                self._list()
            self._watch()
        except _Expired:
            self._version = None
            return 0.0
        except (ApiError, msgspec.DecodeError) as error:
            if getattr(error, "status", 0) == HTTPStatus.GONE:
                self._version = None
            else:
                log.warning("watching %s failed, trying again: %s", kind, error)
            return getattr(error, "retry_after", 0.0)
        except Exception:
            # A consumer's mistake on one object must neither end the watch nor go unseen.
            log.exception("handling %s failed, listing again", kind)
            self._version = None
            return self._timing.longest_pause
        return None

    def _list(self) -> None:
        seen: set[Place] = set()
        metadata: Mapping[str, Any] = {}
        collection = self.collection
        for page in self._pages.read(
            self._api, collection.path, collection.query, accept=collection.listed_as, most=PAGE
        ):
            for item in page.objects():
                item["apiVersion"], item["kind"] = collection.api_version, collection.kind
                seen.add(self._keep(item))
            metadata = page.metadata
        for where in self._known.places() - seen:
            if (gone := self._known.pop(where)) is not None:
                self._gone(gone)
        self._version = str(metadata.get("resourceVersion") or "0")
        self._last_contact = time.monotonic()

    def _watch(self) -> None:
        query = {
            **self.collection.query,
            "watch": "1",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_SECONDS),
            "resourceVersion": str(self._version),
        }
        began = time.monotonic()
        for line in self._api.watch(self.collection.path, query, self._timing.silence, self.collection.watched_as):
            if self._stopping.is_set():
                return
            event = msgspec.json.decode(line)
            kind, obj = event["type"], event["object"]
            if kind == "ERROR":
                if obj.get("code") == HTTPStatus.GONE:
                    raise _Expired
                raise ApiError(int(obj.get("code") or 0), "WATCH", self.collection.path, str(obj.get("message")))
            self._last_contact = time.monotonic()
            self._version = obj["metadata"]["resourceVersion"]
            if kind == "DELETED":
                # What was known, not what the event carries: the deletion has written its own marks into that.
                known = self._known.pop(place(obj))
                self._gone(self._trim(obj) if known is None else known)
            elif kind != "BOOKMARK":
                self._keep(obj)
        if time.monotonic() - began >= self._timing.settled:
            # It had the time to tell of everything. One that is ended at once tells nothing, not even that nothing happened.
            self._last_contact = time.monotonic()

    def _keep(self, obj: KubeObject) -> Place:
        trimmed = self._trim(obj)
        where = place(trimmed)
        changed, before = self._known.put(where, trimmed)
        if changed:
            self._changed(before, trimmed)
        return where
