"""How workloads are tied to other objects: by owners, by labels, and by the selectors of controllers and Services."""

from collections.abc import Iterator

from tierguard.guard.model import objects
from tierguard.guard.model.by_labels import Pair, is_text
from tierguard.guard.model.objects import Labels
from tierguard.guard.model.workload import JOB_NAME
from tierguard.guard.tiers.classified import Classified
from tierguard.guard.tiers.filed import Filed


def owners(subject: Classified) -> Iterator[Pair]:
    """Kind and name of what a workload names as its owners."""
    for owner in objects.owners(subject.workload.raw):
        yield str(objects.value(owner, "kind")), str(objects.value(owner, "name"))


def pairs(subject: Classified) -> Iterator[Pair]:
    """The labels of its pods, one by one."""
    workload = subject.workload
    if workload.kind in ("Job", "CronJob"):
        yield JOB_NAME, workload.name
    yield from (pair for pair in workload.template_labels.items() if is_text(pair[1]))


def behind(filed: Filed[Pair], selector: Labels) -> Iterator[Classified]:
    """Those whose pods have all labels of `selector`, which is a plain map."""
    if all(map(is_text, selector.values())):
        for subject in filed.fewest(selector.items()):
            if selector.items() <= subject.workload.template_labels.items():
                yield subject


def adopts_by(subject: Classified) -> Iterator[Pair | None]:
    """One label that the selector of a classified workload's controller asks for; None where it asks for none by value."""
    if subject.tier is None or subject.workload.kind in ("Pod", "CronJob"):
        return
    selector = subject.workload.selector
    if not selector.nothing:
        yield min(selector.equal, default=None)
