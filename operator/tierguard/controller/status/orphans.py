"""What is told of CronJobs that are suspended in tierguard's name, and of which it has no record. Pure."""

from collections.abc import Container, Iterator
from datetime import datetime

from tierguard.controller.events import event as announce
from tierguard.controller.suspension.actions import MANAGER, orphans
from tierguard.guard.model import objects
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.state import State


def orphan_events(state: State, recorded: Container[str], now: datetime) -> Iterator[tuple[str, KubeObject]]:
    """An Event for each, and what it is remembered by: nobody resumes them, so somebody has to know."""
    for cron_job in orphans(state, now, recorded):
        made = objects.value(cron_job.raw, "metadata", "creationTimestamp")
        at = datetime.fromisoformat(made) if isinstance(made, str) else now
        note = (
            f"it is suspended by the field manager {MANAGER}, but tierguard has no record of it, so it stays suspended."
            f" To resume it: kubectl patch cronjob {cron_job.name} -n {cron_job.namespace}"
            ' -p \'{"spec":{"suspend":false}}\''
        )
        told = announce.event(
            {**cron_job.raw, "apiVersion": "batch/v1", "kind": "CronJob"},
            reason="NotResumed",
            note=note,
            action="Resume",
            at=at,
            now=now,
            warning=True,
        )
        yield f"orphan/{objects.uid(cron_job.raw)}", told
