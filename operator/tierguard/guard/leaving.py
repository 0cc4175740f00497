"""Does a change take a workload out of what guards it? Relabelling must be no way around a freeze."""

from tierguard.guard.classify import Classified
from tierguard.guard.held import Matching
from tierguard.guard.state import State


def leaves(before: Classified, after: Classified, state: State) -> bool:
    """Whether the change takes a workload out of its tier, or out of what a freeze, a window or a policy selects."""
    if before.candidates == after.candidates and before.namespace_labels == after.namespace_labels:
        return False  # nothing that selects has changed: nearly every request
    if before.guarded and (after.tier is None or before.tier is None or after.tier > before.tier):
        return True
    if set(before.policies) - set(after.policies):
        return True
    old, new = (
        {hold.source for hold in (*matching.freezes, *matching.windows)}
        for matching in (Matching.of((side,), state.freezes, state.windows, ()) for side in (before, after))
    )
    return bool(old - new)
