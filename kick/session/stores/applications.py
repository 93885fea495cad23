"""Applications that share a session store, distinguished by fingerprints of their secrets."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from kick.errors import KickError


def others(own: Collection[str], seen: Iterable[Collection[str]]) -> int:
    """Return the number of other applications, from the sets of fingerprints that a store has recorded.

    Sets that overlap belong to one application whose secret is being rotated.

    >>> others({"aaaa"}, [{"aaaa"}, {"bbbb", "aaaa"}, {"cccc", "bbbb"}, {"dddd"}, {"dddd", "eeee"}])
    1
    """
    applications: list[set[str]] = [set(own)]
    for each in seen:
        united = set(each)
        apart = []
        for application in applications:
            if united.isdisjoint(application):
                apart.append(application)
            else:
                united |= application
        applications = [*apart, united]
    return sum(application.isdisjoint(own) for application in applications)


def shared_store(others: int) -> KickError:
    """Return the warning for a store that also contains sessions of applications with other secrets."""
    many = others != 1
    return KickError(
        "session-store-shared",
        cause=f"{others} other application{'s' if many else ''} with other secrets {'keep' if many else 'keeps'} "
        "sessions in the same place: to log out user 7 everywhere here logs out user 7 there.",
        fix="Give each its own place: `redis://localhost:6379/0?prefix=shop:`, or another SQLite file. If it is "
        "this application, with a secret that was replaced, nothing is wrong: the former one is forgotten 30 days "
        "after the last start with it. `secret=[new, former]` keeps its sessions alive.",
    )
