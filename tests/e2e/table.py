"""Every kind of change, by every tool that makes it, in three states: what is expected, and how what happened is told.

A change is a JSON merge patch to a workload's manifest. All tools are given the same one, so that a row differs from its
neighbour in nothing but the tool.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.e2e import manifests

Patch = Mapping[str, Any]

FREE, FROZEN, CLOSED = STATES = ("free", "frozen", "window closed")

PASSES = "passes"
FREEZE = "refused: freeze"
WINDOW = "refused: window"
DELETION = "refused: deletion"
FREEZE_AND_DELETION = "refused: freeze, deletion"
WINDOW_AND_DELETION = "refused: window, deletion"

APPLY, SERVER_SIDE, REPLACE, PATCH = WRITERS = (
    "kubectl apply",
    "kubectl apply --server-side",
    "kubectl replace",
    "kubectl patch",
)
SCALE = "kubectl scale"
UNDO = "kubectl rollout undo"
RESTART = "kubectl rollout restart"
PAUSE = "kubectl rollout pause"
RESUME = "kubectl rollout resume"
DELETE = "kubectl delete"
RECREATE = "kubectl replace --force"
INSTALL, UPGRADE, ROLLBACK, UNINSTALL = HELM = ("helm install", "helm upgrade", "helm rollback", "helm uninstall")
AUTOSCALER = "HorizontalPodAutoscaler"

FOR_REAL = (RESTART, PAUSE, RESUME, RECREATE, *HELM)
"""The tools that know no `--dry-run=server`, or ask nobody when given it: each of their rows has a workload of its own."""
BACKWARDS = (UNDO, ROLLBACK)
"""The tools that go to a revision that there was: for their rows the workload was first what the change makes of it."""


@dataclass(frozen=True)
class Change:
    """A change, as the guard calls it and as people do; and how the workload stands when it comes.

    `given` is what makes the test's workload the one that is changed, `earlier` what it was before that.
    """

    kind: str
    title: str
    patch: Patch
    given: Patch
    earlier: tuple[Patch, ...] = ()


@dataclass(frozen=True)
class Row:
    """One line of the table, with what is expected in each state."""

    change: Change
    tool: str
    expected: Mapping[str, str]

    @property
    def name(self) -> str:
        return f"{self.change.kind}, {self.change.title}, {self.tool}"

    @property
    def workload(self) -> str:
        """The name of the workload: rows that change nothing for real share one, if its history is the same."""
        own = [self.name] if self.tool in FOR_REAL else []
        return "payment-" + hashlib.sha256(json.dumps([*own, *self.history], sort_keys=True).encode()).hexdigest()[:8]

    @property
    def history(self) -> tuple[Patch, ...]:
        """What the workload is made, step by step, before the change comes; nothing when there is to be none."""
        change = self.change
        if self.tool in BACKWARDS:
            return merged(change.given, change.patch), change.given
        return () if change.kind == "Create" else (*change.earlier, change.given)


def merged(base: Any, patch: Any) -> Any:
    """`base` with a JSON merge patch applied."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(base) if isinstance(base, Mapping) else {}
    for key, value in patch.items():
        result[key] = merged(result.get(key), value)
    return {key: value for key, value in result.items() if value is not None}


def spec(**fields: Any) -> Patch:
    return {"spec": fields}


def image(name: str, **annotations: str) -> Patch:
    containers = [{"name": "app", "image": name, "command": manifests.SLEEP}]
    return spec(template={"metadata": {"annotations": annotations}, "spec": {"containers": containers}})


def annotated(**annotations: str) -> Patch:
    return {"metadata": {"annotations": annotations}}


OLD, NOW, NEW = (image(f"{manifests.IMAGE}:{tag}") for tag in manifests.TAGS)
PINNED = image(manifests.PINNED)
BAD = image(f"{manifests.IMAGE}:3", **{"tierguard.io/test-never-ready": "true"})
RESTARTED = spec(template=annotated(**{"kubectl.kubernetes.io/restartedAt": "2026-11-01T00:00:00Z"}))
PAUSED, RESUMED = spec(paused=True), spec(paused=False)
ITS_NAME = "$name"
"""Stands for the workload's own name, which is known only where the workload is made."""
ANNOUNCEMENT = annotated(**{"tierguard.io/allow-deletion": ITS_NAME})

NOTHING = Change("None", "nothing at all", {}, NOW)
NOTE = Change("None", "an annotation", annotated(note="looked-at"), NOW)
CREATION = Change("Create", "a new workload", {}, NOW)
ROLLOUT = Change("Rollout", "a new image", NEW, NOW)
UNPROVEN = Change("Rollout", "back to what was never available", BAD, NOW)
RESTART_BY_TAG = Change("Rollout", "a restart, images by tag", RESTARTED, NOW)
RESTART_BY_DIGEST = Change("Restart", "a restart, images by digest", RESTARTED, PINNED)
BACK = Change("Rollback", "back to what was available", OLD, NOW, (OLD,))
RESUME_KNOWN = Change("Rollback", "go on with what was available", RESUMED, merged(NOW, PAUSED), (NOW,))
RESUME_NEW = Change("Resume", "go on with a new image", RESUMED, merged(NEW, PAUSED), (NOW,))
STOP = Change("Pause", "stop rolling out", PAUSED, NOW)
UP = Change("ScaleUp", "2 to 3 replicas", spec(replicas=3), NOW)
DOWN = Change("ScaleDown", "2 to 1 replica", spec(replicas=1), NOW)
TO_ZERO = Change("ScaleToZero", "2 to 0 replicas", spec(replicas=0), NOW)
SETTING = Change("Settings", "another deadline", spec(progressDeadlineSeconds=999), NOW)
UNANNOUNCED = Change("Delete", "not announced", {}, NOW)
ANNOUNCED = Change("Delete", "announced before", {}, merged(NOW, ANNOUNCEMENT), (NOW,))
RELABELLED = Change("Declassify", "relabelled to tier 4", {"metadata": {"labels": {"tierguard.io/tier": "4"}}}, NOW)


def rows(change: Change, tools: Sequence[str], *expected: str) -> tuple[Row, ...]:
    return tuple(Row(change, tool, dict(zip(STATES, expected, strict=True))) for tool in tools)


# What is expected: free, frozen, outside of the window.
TABLE: tuple[Row, ...] = (
    *rows(NOTHING, (*WRITERS, SCALE, UPGRADE, ROLLBACK), PASSES, PASSES, PASSES),
    *rows(NOTE, WRITERS, PASSES, PASSES, PASSES),
    *rows(CREATION, (APPLY, SERVER_SIDE, INSTALL), PASSES, FREEZE, WINDOW),
    *rows(ROLLOUT, (*WRITERS, UPGRADE), PASSES, FREEZE, WINDOW),
    *rows(UNPROVEN, (UNDO, ROLLBACK), PASSES, FREEZE, WINDOW),
    *rows(RESTART_BY_TAG, (*WRITERS, RESTART, UPGRADE), PASSES, FREEZE, WINDOW),
    *rows(RESTART_BY_DIGEST, (*WRITERS, RESTART, UPGRADE), PASSES, PASSES, PASSES),
    *rows(BACK, (*WRITERS, UNDO, UPGRADE, ROLLBACK), PASSES, PASSES, PASSES),
    *rows(RESUME_KNOWN, (*WRITERS, RESUME), PASSES, PASSES, PASSES),
    *rows(RESUME_NEW, (*WRITERS, RESUME), PASSES, FREEZE, WINDOW),
    *rows(STOP, (*WRITERS, PAUSE), PASSES, PASSES, PASSES),
    *rows(UP, (*WRITERS, SCALE, UPGRADE, ROLLBACK, AUTOSCALER), PASSES, PASSES, PASSES),
    *rows(DOWN, (*WRITERS, SCALE, UPGRADE, ROLLBACK), PASSES, FREEZE, WINDOW),
    *rows(DOWN, (AUTOSCALER,), PASSES, PASSES, PASSES),
    *rows(TO_ZERO, (*WRITERS, SCALE, UPGRADE, ROLLBACK), PASSES, FREEZE, WINDOW),
    *rows(SETTING, (*WRITERS, UPGRADE, ROLLBACK), PASSES, FREEZE, WINDOW),
    *rows(RELABELLED, (*WRITERS, UPGRADE), PASSES, FREEZE, WINDOW),
    *rows(UNANNOUNCED, (DELETE, RECREATE, UNINSTALL), DELETION, FREEZE_AND_DELETION, WINDOW_AND_DELETION),
    *rows(ANNOUNCED, (DELETE, RECREATE, UNINSTALL), PASSES, FREEZE, WINDOW),
)

INTRODUCTION = """\
# What passes, and when

Every kind of change to a Deployment of tier 1, by every tool that makes it: while nothing holds it (*free*), during a
freeze, and outside of its change window; freeze and window with the default `allow`. The kinds are those of
[architecture.md](architecture.md). What a change is called, and what it meets, does not depend on the tool.

A refusal names all rules that refuse. `kubectl replace --force` deletes and makes anew. `helm uninstall` is refused like any
deletion, but Helm shows the reason only with `--debug`.

Generated from the end-to-end test run, do not edit: each cell is what an unprivileged developer, or the autoscaler, met on a
real API server (`tests/e2e/test_table.py`). To write it anew: `make changes`.

"""


def render(happened: Mapping[str, Mapping[str, str]]) -> str:
    """The table as Markdown, of what happened to each row in each state."""
    lines = [("kind", "change", "tool", *STATES), ("---",) * (3 + len(STATES))]
    lines += [
        (f"`{row.change.kind}`", row.change.title, f"`{row.tool}`", *(happened[row.name][state] for state in STATES))
        for row in TABLE
    ]
    return INTRODUCTION + "".join(f"| {' | '.join(line)} |\n" for line in lines)
