"""Rule `probes`: every container says when it can serve and when it is hung, and does not take the one for the other."""

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

from tierguard.api.model import ApiModel
from tierguard.api.rule_values import Presence, RuleId
from tierguard.api.rules import ProbesRule
from tierguard.guard.model import objects
from tierguard.guard.model.containers import Container
from tierguard.guard.rules.rule import SERVING, Reads, Situation, Violation

_PERIOD_SECONDS = 10
_FAILURE_THRESHOLD = 3
_LONGEST_PORT = 5
_SHOWN = 40
_LONGEST_PATH = 4096
"""Characters of a path that are compared: servers take no longer ones."""

Check = dict[str, dict[str, Any]]
"""What a probe asks, ready to be compared: its handler's kind, and the handler with names and defaults resolved."""


class Probes:
    """Each container and sidecar has a readiness and a liveness probe, which ask different things and do not kill in haste.

    Why: the database of `payment-core` slowed down, its one health endpoint looked at the database, and liveness asked the
    same as readiness: instead of leaving the service for a minute, every pod was restarted again and again, and the cold
    caches kept the database slow. Without readiness a pod is sent payments as soon as its process starts; without liveness
    a hung one stays.

    Two probes ask the same when their handlers do once names and defaults are resolved: a port's name through the
    container's own ports (pkg/probe/util.go, ResolveContainerPort), path `/`, scheme HTTP. Another period or threshold
    makes no other check; another port, path, query or header does. Liveness kills after periodSeconds times
    failureThreshold, 10 times 3 where they are left out. A forbidden path stands for all below it, only `/` for itself.
    """

    id: ClassVar[RuleId] = RuleId.PROBES
    block: ClassVar[str] = "probes"
    kinds: ClassVar[frozenset[str]] = SERVING
    reads: ClassVar[Reads] = Reads.FRAME

    def check(self, situation: Situation, settings: ApiModel) -> Iterator[Violation]:
        """Yield at most one violation a container and reason."""
        assert isinstance(settings, ProbesRule)  # noqa: S101 - the registry pairs block and rule
        for container in situation.subject.workload.containers:
            if container.stays:
                yield from _presence(container, settings)
                yield from _liveness(container, settings)


def _presence(container: Container, settings: ProbesRule) -> Iterator[Violation]:
    if settings.readiness is Presence.REQUIRED and not _check(container, container.spec.readiness_probe):
        yield Violation(
            "NoReadinessProbe",
            f"no readinessProbe in {container}",
            "add a readinessProbe that asks whether it can serve",
            about=f"{container.name}/readiness",
        )
    if settings.liveness is Presence.REQUIRED and not _check(container, container.spec.liveness_probe):
        yield Violation(
            "NoLivenessProbe",
            f"no livenessProbe in {container}",
            "add a livenessProbe that asks whether the process is hung",
            about=f"{container.name}/liveness",
        )


def _liveness(container: Container, settings: ProbesRule) -> Iterator[Violation]:
    probe = container.spec.liveness_probe
    check = _check(container, probe)
    if not check:
        return
    about = f"{container.name}/liveness"
    if settings.distinct and check == _check(container, container.spec.readiness_probe):
        yield Violation(
            "SameCheck",
            f"liveness asks the same as readiness ({_shown(check)}) in {container}",
            "let livenessProbe ask for the process alone, not for what readinessProbe asks",
            about=about,
        )
    period = _count(probe, "periodSeconds", _PERIOD_SECONDS)
    failures = _count(probe, "failureThreshold", _FAILURE_THRESHOLD)
    asked = settings.liveness_tolerance_seconds or 0
    if period * failures < asked:
        yield Violation(
            "ImpatientLiveness",
            f"liveness kills after {period * failures} s ({failures} x {period} s), {asked} asked for, in {container}",
            f"set livenessProbe.failureThreshold to {-(-asked // period)} or more",
            about=about,
            gap=asked - period * failures,
        )
    path = check.get("httpGet", {}).get("path")
    plain = "" if path is None else _plain(path)
    if path is not None and any(_at_or_below(plain, _plain(forbidden)) for forbidden in settings.forbidden_paths):
        yield Violation(
            "ForbiddenPath",
            f"liveness asks {objects.printable(plain, _SHOWN)}, which is forbidden, in {container}",
            "set livenessProbe.httpGet.path to one that asks for the process alone",
            about=about,
        )


def _count(probe: Mapping[str, Any], field: str, otherwise: int) -> int:
    """A number of the probe; zero, like none, is what the API server puts its default for."""
    found = probe.get(field)
    return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else otherwise


def _check(container: Container, probe: Mapping[str, Any]) -> Check:
    """What a probe of `container` asks; empty where there is none. Handlers of a later Kubernetes count as written."""
    return {
        kind: _resolved(kind, handler, container)
        for kind, handler in probe.items()
        if isinstance(handler, dict) and handler
    }


def _resolved(kind: str, handler: Mapping[str, Any], container: Container) -> dict[str, Any]:
    resolved = {key: found for key, found in handler.items() if found not in (None, "", [])}
    if "port" in resolved:
        resolved["port"] = _port(resolved["port"], container)
    if kind == "httpGet":
        resolved["scheme"] = str(resolved.get("scheme", "HTTP")).upper()
        resolved["path"] = _path(resolved.get("path"))
        if "httpHeaders" in resolved:
            resolved["httpHeaders"] = _headers(resolved)
    return resolved


def _port(written: object, container: Container) -> object:
    if not isinstance(written, str):
        return written
    for port in container.spec.ports:
        if port.name == written:
            return port.container_port
    number = len(written) <= _LONGEST_PORT and written.isascii() and written.isdecimal()
    return int(written) if number else written


def _headers(handler: Mapping[str, Any]) -> list[tuple[str, Any]]:
    # Several of one name are sent in the order in which they are written.
    written = (header for header in objects.sequence(handler, "httpHeaders") if isinstance(header, dict))
    return sorted(((str(header.get("name")).lower(), header.get("value")) for header in written), key=lambda h: h[0])


def _path(written: object) -> str:
    """The path and query that are asked for in the end: the kubelet puts its own host before any other.

    See pkg/probe/http/request.go, formatURL. A fragment is never sent.
    """
    text = written[:_LONGEST_PATH] if isinstance(written, str) else "/"
    try:
        parts = urlsplit(text)
    except ValueError:
        return text
    path = posixpath.normpath("/" + unquote(parts.path).lstrip("/"))
    return f"{path}?{parts.query}" if parts.query else path


def _plain(path: str) -> str:
    return _path(path).partition("?")[0]


def _at_or_below(path: str, forbidden: str) -> bool:
    return path == forbidden or (forbidden != "/" and path.startswith(f"{forbidden}/"))


def _shown(check: Check) -> str:
    kind, handler = next(iter(check.items()))
    port = f" :{handler['port']}" if "port" in handler else ""
    return objects.printable(f"{kind}{port}{handler.get('path', '') if kind == 'httpGet' else ''}", _SHOWN)
