"""The WSGI application: one function from a request's bytes to an answer's bytes, synchronous and without I/O of its own.

It is called on many threads, one a connection, because a body is read as slowly as it is sent. Only one decides at a time.
"""

import logging
import re
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from tierguard import logs
from tierguard.api.scope import ChangeKind
from tierguard.cluster.cache import ClusterCache
from tierguard.cluster.client import Api
from tierguard.cluster.health import NOT_FOUND, OK, TEXT, UNAVAILABLE, Answer, Health, StartResponse
from tierguard.guard.decide import evaluate_asking
from tierguard.guard.model import objects
from tierguard.guard.model.change import Change, Question
from tierguard.guard.model.decision import MESSAGE_LIMIT, Decision, Outcome
from tierguard.webhook.gate import MEMORY, Gate, patience
from tierguard.webhook.journalist import Journalist
from tierguard.webhook.lookup import Lookups
from tierguard.webhook.metrics import CacheCollector, MemoryCollector, Metrics
from tierguard.webhook.review import Malformed, change_of, decode, encode, parent_of
from tierguard.webhook.wire import Request

log = logging.getLogger("tierguard.webhook")
decisions = logging.getLogger("tierguard.decision")

BODY_LIMIT = 8 * 1024 * 1024
"""Bytes of a review: two objects of etcd's 1.5 MiB each, in JSON, with room to spare."""
SMALL = 128 * 1024
"""Bytes of a review that is always read. Of larger ones only so many at once: the memory that bodies take is bounded."""
MOST_LARGE = 4
DRAINED = 64 * 1024 * 1024
"""Bytes of a larger body that are read and thrown away, so that the client gets to read why."""
_CHUNK = 256 * 1024
_NUMBER = re.compile(r"[0-9]{1,18}")
STALE_SECONDS = 150.0
"""Not having heard of the API server for this long makes it not ready: it would decide by an old picture."""

Environment = dict[str, Any]

_JSON = "application/json"


class Webhook:
    """The application of one process. Call it as WSGI."""

    def __init__(
        self,
        cache: ClusterCache,
        api: Api,
        registry: CollectorRegistry,
        journalist: Journalist,
        accepts: Callable[[str], bool],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        gate: Gate | None = None,
    ) -> None:
        self._cache = cache
        self._accepts = accepts
        self._clock = clock
        self._journalist = journalist
        self._readiness = ""
        self._readiness_until = 0.0
        self._gate = gate or Gate()
        self._large = threading.BoundedSemaphore(MOST_LARGE)
        self._metrics = Metrics(registry, lambda: self._gate.waiting)
        self._lookups = Lookups(api, cache, lambda result: self._metrics.lookups.labels(result).inc())
        registry.register(CacheCollector(cache))
        registry.register(MemoryCollector())
        self.listening: Callable[[], bool] = lambda: True
        """Whether connections are taken yet: whoever says that he is ready before that is sent what he cannot answer."""
        self.health = Health(
            registry,
            problem=lambda: "",
            not_ready=lambda: self.not_ready() or ("" if self.listening() else "does not take connections yet"),
        )

    def __call__(self, environ: Environment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one HTTP request: a review, or on the same path with GET whether reviews are answered.

        On other paths nobody learns anything, and nothing is logged: anybody may knock as often as they like.
        """
        if not self._accepts(str(environ.get("PATH_INFO", ""))):
            self._metrics.strangers.inc()
            status, content_type, body = NOT_FOUND, TEXT, b"not found\n"
        elif environ.get("REQUEST_METHOD") == "GET":
            status, content_type, body = self.health.answer("/readyz")
        else:
            status, content_type, body = self._validate(environ)
        start_response(status, [("Content-Type", content_type), ("Content-Length", str(len(body)))])
        return (body,)

    def not_ready(self) -> str:
        """Why it cannot answer reviews; empty when it can."""
        unsynced = self._cache.unsynced()
        if unsynced:
            return f"not synced yet: {', '.join(unsynced)}"
        stale = [
            kind for kind, seconds in self._cache.staleness().items() if seconds is None or seconds > STALE_SECONDS
        ]
        return f"not heard of the API server for {STALE_SECONDS:.0f} s: {', '.join(stale)}" if stale else ""

    def _recently_not_ready(self) -> str:
        """`not_ready`, looked at once a second at most: it asks every reflector."""
        now = time.monotonic()
        if now >= self._readiness_until:
            self._readiness = self.not_ready()
            self._readiness_until = now + (1.0 if not self._readiness else 0.0)
        return self._readiness

    def _validate(self, environ: Environment) -> Answer:
        until = time.monotonic() + patience(str(environ.get("QUERY_STRING", "")))
        length = self._length(environ)
        if isinstance(length, tuple):
            return length
        stream = environ["wsgi.input"]
        if length is not None and length <= SMALL:
            return self._in_turn(stream.read(length), length, until)
        if length is not None and length > BODY_LIMIT:
            return self._too_large(stream)
        if not self._large.acquire(blocking=False):
            _drain(stream)
            return self._shed(MEMORY)
        try:
            body = stream.read(BODY_LIMIT + 1)
            return self._too_large(stream) if len(body) > BODY_LIMIT else self._in_turn(body, length, until)
        finally:
            self._large.release()

    def _in_turn(self, body: bytes, length: int | None, until: float) -> Answer:
        if length is not None and len(body) < length:
            return self._refuse("400 Bad Request", f"a body of {length} bytes that ended after {len(body)}")
        if reason := self._gate.enter(until):
            return self._shed(reason)
        try:
            return self._review(body)
        finally:
            self._gate.leave()

    def _review(self, body: bytes) -> Answer:
        try:
            return self._answer(body)
        except Malformed as error:
            return self._refuse("400 Bad Request", str(error))
        except RecursionError:
            return self._refuse("400 Bad Request", "not an AdmissionReview: nested too deeply")
        except Exception as error:  # noqa: BLE001 - whatever it is: the caller gets an answer, and the process goes on
            return self._failed(error)

    def _answer(self, body: bytes) -> Answer:
        began = time.perf_counter()
        request = decode(body)
        decision, change = self._decide(request)
        self._metrics.count(decision)
        if decision.outcome is Outcome.UNDECIDED:
            self._record(request, change, decision)
            return UNAVAILABLE, TEXT, decision.message.encode()
        if not request.dry_run:
            self._journalist.note(decision, change, request.uid, self._clock())
        audit: dict[str, str] = {}
        if decision.kinds[0] is not ChangeKind.NONE or decision.findings:
            audit = self._record(request, change, decision)
        answer = encode(request, decision, audit)
        self._metrics.seconds.observe(time.perf_counter() - began)
        return OK, _JSON, answer

    def _length(self, environ: Environment) -> int | Answer | None:
        """How long the body of a review is said to be, None where that is not said; or the answer to what cannot be one."""
        if environ["REQUEST_METHOD"] != "POST":
            return self._refuse("405 Method Not Allowed", f"{environ['REQUEST_METHOD']}, only POST reviews")
        if not str(environ.get("CONTENT_TYPE", "")).startswith(_JSON):
            return self._refuse(
                "415 Unsupported Media Type", f"content type {environ.get('CONTENT_TYPE')}, not {_JSON}"
            )
        written = environ.get("CONTENT_LENGTH")
        if written and not _NUMBER.fullmatch(str(written)):
            return self._refuse("400 Bad Request", "a Content-Length that is no number")
        return int(written) if written else None

    def _too_large(self, stream: Any) -> Answer:
        _drain(stream)
        return self._refuse("413 Content Too Large", f"more than {BODY_LIMIT} bytes")

    def _shed(self, reason: str) -> Answer:
        """Turn a review away: the API server's failure policy decides, or whoever asked tries again."""
        self._metrics.shed[reason].inc()
        return UNAVAILABLE, TEXT, f"tierguard has too much to do: {reason}\n".encode()

    def _decide(self, request: Request) -> tuple[Decision, Change]:
        state = self._cache.state
        parent = None
        kind = parent_of(request)
        if kind is not None:
            known = state.workload(kind, request.namespace, request.name)
            parent = (
                known.raw if known else self._lookups.workload(kind, request.namespace, request.name, request.user_info)
            )
            if parent is None:
                return _undecided(f"{kind} {request.namespace}/{request.name} is not known yet"), change_of(request)
            parent = {**parent, "kind": kind}
        change = change_of(request, parent)
        if waiting := self._recently_not_ready():
            return _undecided(waiting), change

        def ask(question: Question) -> bool | None:
            return self._lookups.may(request.user_info, question)

        decision, change = evaluate_asking(change, state, self._clock(), ask)
        unknown = decision.outcome is Outcome.UNDECIDED and decision.question is None
        if unknown and self._lookups.namespace(change.namespace, request.user_info):
            decision, change = evaluate_asking(change, state, self._clock(), ask)
        if decision.hinges_on_absence and self._lookups.surroundings(
            change.namespace, {finding.rule for finding in decision.findings}, request.user_info
        ):
            decision, change = evaluate_asking(change, state, self._clock(), ask)
        return decision, change

    def _record(self, request: Request, change: Change, decision: Decision) -> dict[str, str]:
        """Log `decision` as one line of JSON; the same in short is the audit annotation that the API server keeps."""
        kinds = ",".join(decision.kinds)
        findings = ",".join(decision.reasons()[:20])
        logs.info(
            decisions,
            "decision",
            decision={
                "outcome": decision.outcome,
                "change": kinds,
                "subject": change.subject,
                "tier": decision.tier,
                "operation": request.operation,
                "user": objects.printable(change.user, 256),
                "uid": objects.printable(request.uid, 64),
                "dryRun": bool(request.dry_run),
                "findings": findings,
                "message": decision.message,
                "breakGlass": decision.bypass.ticket if decision.bypass else "",
            },
        )
        audit = {"outcome": decision.outcome.value, "change": kinds}
        if findings:
            audit["findings"] = findings
        if decision.bypass is not None:
            audit["break-glass"] = f"{decision.bypass.ticket}: {decision.bypass.reason}"
        return audit

    def _failed(self, error: Exception) -> Answer:
        """A mistake of ours: neither allowed nor refused, the API server's failure policy decides.

        Only where it happened is told: the text of an exception may quote what is in the object.
        """
        self._metrics.errors.inc()
        frames = traceback.extract_tb(error.__traceback__)[-3:]
        where = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
        log.error("could not decide: %s at %s", type(error).__name__, where)
        return "500 Internal Server Error", TEXT, b"tierguard cannot decide: an error of its own, see its log\n"

    def _refuse(self, status: str, problem: str) -> Answer:
        self._metrics.malformed.inc()
        clean = objects.printable(problem, 300)
        log.warning("refused a request: %s", clean)
        return status, TEXT, f"{clean}\n".encode()


def _drain(stream: Any) -> None:
    """Read and throw away: a client that is still sending would not see the answer."""
    for _ in range(DRAINED // _CHUNK):
        if not stream.read(_CHUNK):
            return


def _undecided(message: str) -> Decision:
    told = objects.printable(f"tierguard cannot decide: {message}", MESSAGE_LIMIT)
    return Decision(Outcome.UNDECIDED, (ChangeKind.NONE,), message=told)
