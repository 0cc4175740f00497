"""Does a change take a workload out of what guards it? Relabelling must be no way around a freeze."""

from tierguard.guard.model.objects import Labels
from tierguard.guard.model.scope import tier_of_label
from tierguard.guard.model.state import State
from tierguard.guard.tiers.classify import Classified


def leaves(before: Classified, after: Classified, state: State) -> bool:
    """Whether the change takes a workload out of its tier, or out of what a freeze, a window or a policy selects."""
    if before.candidates == after.candidates and before.namespace_labels == after.namespace_labels:
        return False  # nothing that selects has changed: nearly every request
    if any(map(_raised, _label_maps(before), _label_maps(after))):
        return True  # even where the pods' label still says the old tier: the next change would take that one
    if before.tier is not None and (after.tier is None or after.tier > before.tier):
        return True
    if set(before.policies) - set(after.policies):
        return True
    holds = ((before.selected(found), after.selected(found)) for found in (state.freezes, state.windows))
    return any(set(was) - set(is_) for was, is_ in holds)


def joins(before: Classified, after: Classified, state: State) -> bool:
    """Whether the change brings a workload into what some freeze selects: to those that it holds, it is then a new one."""
    if before.candidates == after.candidates and before.namespace_labels == after.namespace_labels:
        return False
    return bool(set(after.selected(state.freezes)) - set(before.selected(state.freezes)))


def _label_maps(classified: Classified) -> tuple[Labels, Labels]:
    return classified.workload.labels, classified.workload.template_labels


def _raised(old: Labels, new: Labels) -> bool:
    """Whether a label that named a tier is gone, or names a less important one."""
    before, after = tier_of_label(old), tier_of_label(new)
    return before is not None and (after is None or after > before)
