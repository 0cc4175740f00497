"""What was measured, as a table."""

from collections.abc import Iterable
from dataclasses import dataclass

NOTES = """\
The controller manager runs without its Deployment and ReplicaSet controllers: 30,000 pods that run nothing would take the
machine, and tierguard watches their owners all the same. Every Deployment is sound under all thirteen rules, so the operator
has a budget to keep for each, and nothing to tell. Memory is that of a process and its children, after a review in each
namespace; pages that they share count once (PSS), as a container's limit counts them. Writes in an idle minute are from the
API server's `apiserver_request_total`, dry runs and questions left out; Leases (the operator's own, the controller
manager's, the nodes') and the statuses of nodes are heartbeats, and are counted apart."""


@dataclass(frozen=True)
class Measured:
    """One figure. `most` is the target, None where there is none; `details` tell what it is made of."""

    what: str
    value: float
    unit: str
    most: float | None = None
    details: str = ""

    @property
    def met(self) -> str:
        if self.most is None:
            return ""
        return "yes" if self.value <= self.most else "**no**"


def markdown(measured: Iterable[Measured]) -> str:
    """The table."""
    lines = ["| | measured | target | met |", "|---|---|---|---|"]
    for each in measured:
        more = f" ({each.details})" if each.details else ""
        target = "" if each.most is None else f"≤ {each.most:g} {each.unit}"
        lines.append(f"| {each.what} | {each.value:.4g} {each.unit}{more} | {target} | {each.met} |")
    return "\n".join(lines)


def document(size: str, machine: str, measured: Iterable[Measured]) -> str:
    """The whole document."""
    command = 'make bench-scale SCALE="--document docs/scale.md"'
    head = f"# What thousands of workloads take\n\nWritten by `{command}`: {size}; {machine}.\n"
    return f"{head}\n{markdown(measured)}\n\n{NOTES}\n"
