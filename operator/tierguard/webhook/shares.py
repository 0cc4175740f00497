"""How many look-ups each user may cause: token buckets, bounded in number. One user never takes another user's share."""

import threading
from collections import OrderedDict

from tierguard.webhook.wire import UserInfo

TOTAL_PER_SECOND = 60.0
"""Look-ups a second of all users together, which is also how many may come at once."""
USER_PER_SECOND = 10.0
USER_BURST = 20.0
"""Look-ups of one user: enough for an apply of many objects, and a fraction of the total."""
NAMESPACE_PER_SECOND = 20.0
NAMESPACE_BURST = 40.0
"""Look-ups of all ServiceAccounts of one namespace: whoever administers it makes as many of them as they like."""
MOST_KEPT = 4096
"""Users, and namespaces, that are remembered: those that asked last."""
_SERVICE_ACCOUNT = "system:serviceaccount:"
_LONGEST_NAME = 512
"""Characters of a user name that tell users apart here: names come from anywhere, and are kept for a while."""


class Buckets:
    """A token bucket for each key, of the keys that were used last. Not safe to use from several threads."""

    def __init__(self, per_second: float, burst: float, most: int = MOST_KEPT) -> None:
        self._per_second = per_second
        self._burst = burst
        self._most = most
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """By key, the tokens that were left, and when."""

    def take(self, key: str, now: float) -> bool:
        """Take one token of `key` at the instant `now` of the monotonic clock; False where none is left."""
        left, since = self._left.pop(key, (self._burst, now))
        left = min(self._burst, left + max(0.0, now - since) * self._per_second)
        taken = left >= 1.0
        self._left[key] = (left - 1.0 if taken else left, now)
        if len(self._left) > self._most:
            self._left.popitem(last=False)
        return taken


class Shares:
    """Who may cause another look-up now. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = Buckets(USER_PER_SECOND, USER_BURST)
        self._namespaces = Buckets(NAMESPACE_PER_SECOND, NAMESPACE_BURST)
        self._total = Buckets(TOTAL_PER_SECOND, TOTAL_PER_SECOND, 1)

    def take(self, user: UserInfo, now: float) -> bool:
        """Take one look-up of the share of `user`, and of the total."""
        name = user.username[:_LONGEST_NAME]
        with self._lock:
            if not self._users.take(name, now):
                return False
            if name.startswith(_SERVICE_ACCOUNT):
                namespace = name.removeprefix(_SERVICE_ACCOUNT).partition(":")[0]
                if not self._namespaces.take(namespace, now):
                    return False
            return self._total.take("", now)
