"""When the webhook's path is replaced, and which one the API server is told. Pure.

An error message of the API server's shows the path to whoever wrote while no webhook answered, so a path is used for half a
day only. A new one is taken by the webhooks for an hour before the API server uses it.
"""

from datetime import UTC, datetime, timedelta

from tierguard.cluster.review_path import ReviewPath, fresh

USED = timedelta(hours=12)
"""How long a path is used; it is taken for as long again."""
OVERLAP = timedelta(hours=1)
"""How long a new path is only taken: longer than a mounted Secret is behind."""
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def due(paths: tuple[ReviewPath, ...], now: datetime) -> bool:
    """Whether a new path has to be made."""
    return not paths or now - paths[-1].since >= USED


def renewed(paths: tuple[ReviewPath, ...], configured: str, now: datetime) -> tuple[ReviewPath, ...]:
    """`paths` with a new one. What the API server uses (`configured`, empty for nothing) stays, the rest goes."""
    kept = [each for each in paths if each.path == configured]
    if configured and not kept:
        # The Secret was lost, or comes from a version that had no such path.
        kept = [ReviewPath(configured, _LONG_AGO)]
    return (*kept, fresh(now))


def in_use(paths: tuple[ReviewPath, ...], now: datetime) -> str:
    """The path that the API server is to use: the newest that every webhook knows."""
    settled = [each for each in paths if now - each.since >= OVERLAP]
    return (settled[-1] if settled else paths[0]).path
