"""The faults, in the order in which they come."""

from dataclasses import dataclass

from tests.chaos.broken import Breaks, killed, none
from tests.chaos.mix import Kind
from tests.chaos.operators import TAKEOVER_SECONDS, cut_off, leader_cut_off, leader_killed, upgraded
from tests.chaos.servers import controllers_dead, relisted, restarted, rotated, too_old, watches_closed
from tests.chaos.webhooks import NO_LOG, babbling, expired, hanging, reloaded, skewed, slow, started_as
from tests.cluster.install import OPERATORS, WEBHOOKS


@dataclass(frozen=True)
class Fault:
    """One row of the table."""

    name: str
    broken: Breaks
    new: frozenset[Kind] = frozenset()
    """What the version that is running when it begins does not hold yet: how many of those pass is counted."""
    seconds: float = 0.0
    """How long the load must last at least."""
    enough: int = 120
    """How many answered writes there must be."""


FAULTS = (
    Fault("none", none),
    Fault("one webhook killed", killed(WEBHOOKS[0])),
    Fault("all webhooks killed", killed(*WEBHOOKS)),
    Fault("webhooks hang", hanging, enough=100),
    Fault("webhooks slow, 1 s", slow(1.0)),
    Fault("webhooks slow, 3 s", slow(3.0), enough=100),
    Fault("webhooks answer garbage", babbling),
    Fault("leader killed", leader_killed, seconds=TAKEOVER_SECONDS),
    Fault("leader cut off from the API server", leader_cut_off, seconds=TAKEOVER_SECONDS),
    Fault("both operators cut off, half open", cut_off, seconds=12),
    Fault("operators and webhooks killed", killed(*OPERATORS, *WEBHOOKS)),
    Fault("certificates expired", expired),
    Fault("CA rotated", rotated, seconds=35),
    Fault("API server killed, restarted", restarted("kube-apiserver"), seconds=15),
    Fault("etcd killed, restarted", restarted("etcd"), seconds=10),
    Fault("watches closed each second", watches_closed, seconds=10),
    Fault("resourceVersion too old", too_old),
    Fault("webhook clock 5 min behind", skewed(-300)),
    Fault("webhook clock 5 min ahead", skewed(300)),
    Fault("disk full for logs", started_as(NO_LOG, *OPERATORS)),
    Fault("reloads mid-request", reloaded, seconds=20),
    Fault("controller manager dead", controllers_dead),
    Fault("upgrade from an older version", upgraded, new=frozenset({Kind.OWNER}), seconds=10),
    Fault("10,000 objects relisted", relisted, seconds=15),
)
"""In this order: the last leaves most behind."""
