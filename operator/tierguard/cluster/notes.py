"""What tierguard wrote down in ConfigMaps of its own namespace, as it is watched."""

from datetime import datetime

from tierguard.cluster import record
from tierguard.cluster.journal import JOURNAL, Journal
from tierguard.cluster.journal import read as read_journal
from tierguard.guard.model import objects
from tierguard.guard.model.objects import KubeObject


class Notes:
    """Keeps the rollback record, and for the operator what it and the webhook's processes have to tell."""

    def __init__(self) -> None:
        self.records: dict[str, dict[str, datetime]] = {}
        """The rollback record: since when each template of a workload is available, by the workload's uid."""
        self.journals: dict[str, Journal] = {}
        """What the webhook's processes have to tell, by ConfigMap; only where status is kept."""
        self.accounts: dict[str, KubeObject] = {}
        """What the operator that led last had seen, by ConfigMap; only where status is kept."""
        self.observed: dict[int, str] = {}
        """Which templates of any workload the operator saw available, as written, by shard; only where status is kept."""
        self.history_read = False
        """Whether the revisions from before the installation were read."""
        self.changes = 0
        """How often a rollback record changed."""

    def changed(self, obj: KubeObject) -> None:
        """Take a ConfigMap that is new or was changed."""
        label = objects.labels(obj).get(record.RECORD_LABEL)
        if label == record.ACCOUNT:
            self.accounts[objects.name(obj)] = obj
        elif label == JOURNAL:
            self.journals[objects.name(obj)] = read_journal(obj)
        elif label == record.OBSERVED:
            shard = record.read_shard(obj)
            if shard is None:
                self.history_read = True
            else:
                self.observed[shard[0]] = shard[1]
        else:
            self._record(obj)

    def _record(self, obj: KubeObject) -> None:
        uid, entries = record.read(obj)
        self.records[uid] = entries
        self.changes += 1

    def gone(self, obj: KubeObject) -> None:
        """Forget a ConfigMap that was deleted."""
        label = objects.labels(obj).get(record.RECORD_LABEL)
        if label == record.ACCOUNT:
            self.accounts.pop(objects.name(obj), None)
        elif label == JOURNAL:
            self.journals.pop(objects.name(obj), None)
        elif label == record.OBSERVED:
            # That the history was read stays true, whatever becomes of the mark.
            if (shard := record.read_shard(obj)) is not None:
                self.observed.pop(shard[0], None)
        else:
            self.records.pop(record.read(obj)[0], None)
            self.changes += 1
