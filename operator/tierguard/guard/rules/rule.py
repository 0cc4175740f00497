"""What a tier rule is."""

from collections.abc import Iterator
from datetime import datetime
from enum import Enum
from typing import ClassVar, Protocol

from msgspec import Struct

from tierguard.api.model import ApiModel
from tierguard.api.rule_values import RuleId
from tierguard.api.scope import ChangeKind
from tierguard.guard.model.decision import Effect
from tierguard.guard.model.state import State
from tierguard.guard.model.workload_kinds import WORKLOAD_KINDS
from tierguard.guard.tiers.classify import Classified

SERVING = frozenset({"Deployment", "StatefulSet", "DaemonSet"})
"""Kinds whose pods are meant to stay."""
AUTHORED = SERVING | {"CronJob"}
"""Kinds that people write, and whose pods come and go."""
EVERY_KIND = frozenset(WORKLOAD_KINDS)
"""All kinds that have pods, and pods themselves."""


class Reads(Enum):
    """What the verdict of a rule goes by. One that goes by the frame alone is remembered (`evaluate`)."""

    FRAME = "kind, frame of the pods, spec around them (`PodTemplate.frame`, `Workload.around`) and least replicas"
    FRAME_AND_NODES = "the same, and where there are nodes to look at, these and what is on them"
    MORE = "anything in the situation"


class Situation(Struct, frozen=True):
    """What a rule judges: a workload as a change leaves it, or as it is stored, and what is around it.

    `before` and `kinds` tell of the change that is judged; None and empty where what is stored is judged.
    """

    subject: Classified
    state: State
    now: datetime
    before: Classified | None = None
    kinds: tuple[ChangeKind, ...] = ()


class Violation(Struct, frozen=True):
    """One way in which a workload breaks a rule.

    `reason` is constant, `detail` has the effective values, `remedy` says what to do. `effect` is the most that it may do
    to a change, whatever the policy says. `rests_on_absence` marks what would vanish if something not yet seen existed.

    `about` names the part that is meant (a container, a topology key), so that of several policies that find the same, only
    the strictest speaks; `gap` says how far off the value is, more being worse: what comes nearer to the rule only warns.
    `inherited` says whether it only warns where it was so before the change; evidence is asked for at every rollout.
    """

    reason: str
    detail: str
    remedy: str
    effect: Effect = Effect.DENY
    rests_on_absence: bool = False
    about: str = ""
    gap: float = 0.0
    inherited: bool = True


class Rule(Protocol):
    """A tier rule. Its docstring says what it wants and why; `tests/cases/<id>/` has its examples that pass and fail."""

    id: ClassVar[RuleId]
    """As findings, exemptions, cases and documents name it."""
    block: ClassVar[str]
    """The attribute of `tierguard.api.rules.Rules` that switches it on and holds its settings."""
    kinds: ClassVar[frozenset[str]]
    """The kinds of workload that it can judge."""
    reads: ClassVar[Reads]
    """What its verdict goes by, beside the settings."""

    def check(self, situation: Situation, settings: ApiModel) -> Iterator[Violation]:
        """Yield what is wrong with the situation's subject under `settings`, in a stable order."""
        ...
