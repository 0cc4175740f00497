"""What a tier rule is: a class with an id, the block of a policy that switches it on, and a check that yields violations."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Protocol

from tierguard.api.model import ApiModel
from tierguard.guard.classify import Classified
from tierguard.guard.finding import Effect
from tierguard.guard.state import State


@dataclass(frozen=True, slots=True)
class Violation:
    """One way in which a workload breaks a rule.

    `reason` is constant, `detail` has the effective values, `remedy` says what to do. `effect` is the most that it may do
    to a change, whatever the policy says. `rests_on_absence` marks what would vanish if something not yet seen existed.
    """

    reason: str
    detail: str
    remedy: str
    effect: Effect = Effect.DENY
    rests_on_absence: bool = False


class Rule(Protocol):
    """A tier rule. Its docstring says what it wants and why; `tests/cases/<id>/` has its examples that pass and fail."""

    id: ClassVar[str]
    """As findings, cases and documents name it."""
    block: ClassVar[str]
    """The attribute of `tierguard.api.policy.Rules` that switches it on and holds its settings."""
    kinds: ClassVar[frozenset[str]]
    """The kinds of workload that it can judge."""

    def check(self, subject: Classified, settings: ApiModel, state: State) -> Iterator[Violation]:
        """Yield what is wrong with `subject` under `settings`, in a stable order."""
        ...
