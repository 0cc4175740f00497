"""Counters that change with every change in the cluster, so that a reader can ask whether anything is new."""

from itertools import count

from tierguard.guard.model import objects
from tierguard.guard.model.objects import KubeObject

RESTLESS = ("Pod", "Node")
"""Kinds that change all the time. None of their changes is urgent."""


class Changes:
    """Noted from the reflectors' threads."""

    def __init__(self) -> None:
        self._numbers = count(1)  # each is given once, to whichever thread: two changes at a time never look like one
        self.in_namespace: dict[str, int] = {}
        """The last change by namespace; "" stands for objects without a namespace."""
        self.of_configuration: dict[str, int] = {}
        """The last change of a ConfigMap by namespace, if their metadata is watched."""
        self.urgent = 0
        self.restless = 0
        """The last change that is not urgent."""
        self.departures = 0
        """The last time that a workload went, or was replaced by another one of the same name."""

    def changed(self, obj: KubeObject) -> None:
        """Note that `obj` came, changed or went."""
        number = next(self._numbers)
        self.in_namespace[_place(obj)] = number
        if obj.get("kind") in RESTLESS:
            self.restless = number
        else:
            self.urgent = number

    def configured(self, obj: KubeObject) -> None:
        """Note that the metadata of a ConfigMap changed."""
        self.of_configuration[_place(obj)] = next(self._numbers)

    def departed(self) -> None:
        """Note that a workload is gone."""
        self.departures = next(self._numbers)


def _place(obj: KubeObject) -> str:
    return objects.namespace(obj) or (objects.name(obj) if obj.get("kind") == "Namespace" else "")
