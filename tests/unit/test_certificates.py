"""Certificates over the years: at every moment what is served is trusted."""

from datetime import UTC, datetime, timedelta

import pytest

from tierguard.controller.certificates.authority import (
    CLOCK_SKEW,
    Authority,
    Pair,
    authority_in,
    authority_secret,
    bundle_in,
    leaf_due,
    make_authority,
    make_leaf,
    next_step,
    pair_in,
    renewed,
    secret,
    serving_data,
)
from tierguard.controller.options import Lifetimes

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NAMES = frozenset({"tierguard-webhook.tierguard-system.svc"})
LAG = timedelta(minutes=5)
"""How late a kubelet brings a Secret to a pod, and how late an API server hears of a bundle."""


def trusts(bundle: bytes, leaf: Pair, now: datetime) -> bool:
    """What an API server does: some certificate of the bundle signed the leaf, and all are valid now."""
    parts = [b"-----BEGIN" + part for part in bundle.split(b"-----BEGIN") if part.strip()]
    valid = [Pair(part, b"") for part in parts if Pair(part, b"").expires() > now]
    return leaf.expires() > now and any(leaf.signed_by(authority) for authority in valid)


@pytest.mark.parametrize("lifetimes", [Lifetimes(), Lifetimes(timedelta(days=30), timedelta(days=7))])
def test_what_is_served_is_trusted_through_three_years_of_renewals(lifetimes: Lifetimes) -> None:
    authority: Authority | None = None
    leaf: Pair | None = None
    served: list[tuple[datetime, Pair]] = []
    trusted: list[tuple[datetime, bytes]] = []
    authorities = set()
    now = NOW
    while now < NOW + timedelta(days=365 * 3):
        authority = renewed(authority, lifetimes, now)
        if leaf is None or leaf_due(leaf, authority, NAMES, now):
            leaf = make_leaf(authority.current, NAMES, now, lifetimes.leaf)
        served.append((now, leaf))
        trusted.append((now, authority.bundle(now)))
        authorities.add(authority.current.certificate)
        # Whatever pair of old and new an API server and a webhook may have for a while.
        for _, old_leaf in [entry for entry in served if now - entry[0] <= LAG] or served[-1:]:
            for _, old_bundle in [entry for entry in trusted if now - entry[0] <= LAG] or trusted[-1:]:
                assert trusts(old_bundle, old_leaf, now)
        following = next_step(authority, leaf, lifetimes)
        assert following > now
        now = min(following, now + LAG / 2) if following - now < 3 * LAG else following
    assert len(authorities) >= 3


def test_a_new_authority_is_trusted_before_it_signs_and_the_old_one_after() -> None:
    lifetimes = Lifetimes()
    first = renewed(None, lifetimes, NOW)
    due = NOW + lifetimes.authority * 2 / 3 + timedelta(seconds=1)
    both = renewed(first, lifetimes, due)
    assert both.current == first.current
    assert both.following is not None
    assert both.following.certificate in both.bundle(due)
    assert renewed(both, lifetimes, due + lifetimes.overlap / 2) == both
    after = renewed(both, lifetimes, due + lifetimes.overlap)
    assert after.current == both.following
    assert first.current.certificate in after.bundle(due + lifetimes.overlap)
    assert first.current.certificate not in after.bundle(first.current.expires())


def test_an_authority_that_expired_while_nobody_looked_is_replaced_at_once() -> None:
    first = renewed(None, Lifetimes(), NOW)
    late = NOW + timedelta(days=400)
    fresh = renewed(first, Lifetimes(), late)
    assert fresh.current.expires() > late
    assert leaf_due(make_leaf(first.current, NAMES, NOW), fresh, NAMES, late)


def test_nothing_is_due_while_all_is_well() -> None:
    authority = renewed(None, Lifetimes(), NOW)
    leaf = make_leaf(authority.current, NAMES, NOW)
    for days in (0, 1, 30, 59):
        assert renewed(authority, Lifetimes(), NOW + timedelta(days=days)) == authority
        assert not leaf_due(leaf, authority, NAMES, NOW + timedelta(days=days))
    assert leaf_due(leaf, authority, NAMES, NOW + timedelta(days=61))
    assert leaf_due(leaf, authority, NAMES | {"another.svc"}, NOW)


def test_what_is_written_is_what_is_read() -> None:
    current, following = make_authority(NOW), make_authority(NOW)
    previous = make_authority(NOW).certificate
    for authority in (Authority(current), Authority(current, following), Authority(current, following, previous)):
        assert authority_in(authority_secret("guard", "ca", authority)) == authority
    leaf = make_leaf(current, NAMES, NOW)
    kept = secret("guard", "tls", serving_data(leaf, current.certificate))
    assert pair_in(kept) == leaf
    assert bundle_in(kept) == current.certificate


@pytest.mark.parametrize("written", ["", "bm90IGEgY2VydA==", "%%%", 7, None])
def test_what_cannot_be_read_counts_as_not_there(written: object) -> None:
    assert pair_in({"data": {"tls.crt": written, "tls.key": written}}) is None
    assert authority_in({"data": {"tls.crt": written}}) is None
    assert bundle_in({"data": {"ca.crt": written}}) == b""
    good = authority_secret("guard", "ca", Authority(make_authority(NOW)))
    damaged = {"data": {**good["data"], "next.crt": written, "previous.crt": written}}
    assert authority_in(damaged) == authority_in(good)


def test_certificates_are_valid_for_a_clock_that_is_behind() -> None:
    authority = make_authority(NOW)
    assert authority.loaded().not_valid_before_utc <= NOW - CLOCK_SKEW
    assert make_leaf(authority, NAMES, NOW).loaded().not_valid_before_utc <= NOW - CLOCK_SKEW
