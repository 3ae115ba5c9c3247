"""The swarm: does it decide better than its members, what is each of them worth, and where do they differ?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from src.dashboard.data.swarm import Swarm
from src.dashboard.pages.kinds import PageKind
from src.dashboard.pages.ledger_filters import FILTERS, NONE_YET, decisions_of, notes, suggestions, version
from src.dashboard.view.panels import AtLeast, Chart, Column, Figure, Page, Panel, Table

if TYPE_CHECKING:
    from src.dashboard.data.swarm import MemberFigures, Track
    from src.dashboard.pages.kinds import Context

_TRACK: Final = (
    Column("decided", "decided", "count"),
    Column("n", "judged n", "count"),
    Column("hit_rate", "hit rate (95%)", "interval"),
    Column("net_return", "mean net (95%)", "points_interval"),
    Column("net_total", "sum of net", "points"),
)
_MEMBERS: Final = (
    Column("member", "member"),
    Column("asked", "asked", "count"),
    Column("votes", "voted", "count"),
    Column("failed", "failed", "count"),
    Column("changed", "decisions it changed", "count"),
    Column("judged", "of these judged", "count"),
    Column("value", "net returns it added", "points"),
    Column("cost_usd", "cost", "money", is_bound=True),
    Column("cost_per_vote", "cost per vote", "money"),
    Column("latency_ms", "median time", "ms"),
)
_PAIRS: Final = (
    Column("first", "member"),
    Column("second", "other"),
    Column("both", "both voted", "count"),
    Column("differed", "differed", "count"),
    Column("share", "share", "share"),
    Column("judged", "of these judged", "count"),
    Column("first_right", "member was right", "count"),
    Column("second_right", "other was right", "count"),
)


def _build(context: Context) -> Page:
    columns = context.ledger()
    swarm = Swarm(decisions_of(context))
    if not len(swarm):
        has_any = len(columns) > 0
        text = "No decision of several members is among these: `moondev trade SYMBOL --swarm` asks several."
        return Page(empty=text if has_any else NONE_YET)
    members = []
    for name in swarm.members:
        context.limits.check()
        members.append(swarm.member(name))
    consensus = swarm.track(swarm.consensus)
    return Page(
        figures=_figures(swarm, consensus, members),
        panels=(_ways(context, swarm, consensus), _values(members), _agreement(swarm), _pairs(swarm)),
        notes=notes(columns),
    )


def _figures(swarm: Swarm, consensus: Track, members: list[MemberFigures]) -> tuple[Figure, ...]:
    costs = [item.cost_usd for item in members if item.cost_usd is not None]
    cost: Any = sum(costs) if costs else None
    votes = sum(item.asked for item in members)
    unpriced = sum(item.unpriced for item in members)
    return (
        Figure("decisions", "Swarm decisions", len(swarm), "count", len(swarm), "decisions"),
        Figure("hit_rate", "Went their way", consensus.hit_rate, "interval", consensus.n, "judged trades"),
        Figure("net_return", "Mean net return", consensus.net_return, "points_interval", consensus.n, "judged trades"),
        Figure("cost_usd", "Cost of all votes", AtLeast(cost or None) if unpriced else cost, "money", votes, "votes"),
    )


def _track_row(track: Track) -> tuple[Any, ...]:
    return (track.decided, track.n, track.hit_rate, track.net_return, track.net_total)


def _ways(context: Context, swarm: Swarm, consensus: Track) -> Panel:
    ways = [("the swarm", consensus), ("equal weights", swarm.track(swarm.plain()))]
    for name in swarm.members:
        context.limits.check()
        ways.append((f"{name} alone", swarm.track(swarm.alone(name))))
    for name in swarm.members if len(swarm.members) > 2 else ():
        context.limits.check()
        ways.append((f"without {name}", swarm.track(swarm.without(name))))
    shown = [(label, track) for label, track in ways if track.hit_rate.value is not None]
    chart = Chart(
        kind="intervals",
        label="Hit rate of the swarm, of each member alone, and without each member",
        data={
            "x": [label for label, _ in shown],
            "kind": "share",
            "values": [[item.hit_rate.value, item.hit_rate.low, item.hit_rate.high] for _, item in shown],
            "n": [item.n for _, item in shown],
            "base": 0.5,
        },
    )
    return Panel(
        slug="ways",
        title="The swarm, and what others of it would have decided",
        table=Table((Column("way", "decided by"), *_TRACK), [(label, *_track_row(track)) for label, track in ways]),
        chart=chart if shown else None,
        notes=("All are judged on the same decisions by the same prices; those that a target or stop ended say nothing "
               "of other actions, and count as open.",),
    )  # fmt: skip


def _values(members: list[MemberFigures]) -> Panel:
    rows = []
    for item in members:
        least = AtLeast(item.cost_usd or None) if item.unpriced else item.cost_usd
        priced = item.asked - item.unpriced
        per_vote = item.cost_usd / priced if item.cost_usd is not None and priced else None
        rows.append((item.name, item.asked, item.votes, item.failed, item.changed, item.judged, item.value, least,
                     per_vote, item.latency_ms))  # fmt: skip
    valued = [item for item in members if item.value is not None]
    chart = Chart(
        kind="bars",
        label="What each member added to the sum of net returns",
        data={
            "x": [item.name for item in valued],
            "kind": "points",
            "series": [{"name": "net returns it added", "data": [item.value for item in valued]}],
        },
    )
    return Panel(
        slug="members",
        title="What each member is worth, and costs",
        table=Table(_MEMBERS, rows),
        chart=chart if valued else None,
        notes=("A member changes a decision where the votes of the others alone would have come to another one. "
               "One that changes none costs money for nothing.",),
    )  # fmt: skip


def _agreement(swarm: Swarm) -> Panel:
    rows = [(label, count, *_track_row(track)) for label, count, track in swarm.by_agreement()]
    columns = (Column("agreement", "agreement"), Column("decisions", "decisions", "count"), *_TRACK)
    return Panel(slug="agreement", title="Agreement", table=Table(columns, rows),
                 notes=("By the largest share of the weight that voted alike.",))  # fmt: skip


def _pairs(swarm: Swarm) -> Panel:
    pairs = swarm.pairs()
    rows = [
        (item.first, item.second, item.both, item.differed, item.differed / item.both if item.both else None,
         item.judged, item.first_right, item.second_right)
        for item in pairs
    ]  # fmt: skip
    chart = Chart(
        kind="heat",
        label="Share of decisions in which two members voted differently",
        data={"names": swarm.members, "kind": "share",
              "cells": [[swarm.members.index(item.first), swarm.members.index(item.second),
                         item.differed / item.both, item.both] for item in pairs if item.both]},
    )  # fmt: skip
    return Panel(slug="pairs", title="Dissent", table=Table(_PAIRS, rows), chart=chart if len(pairs) > 1 else None,
                 notes=("A vote of NOTHING is never right here: neither a rise nor a fall went its way.",))  # fmt: skip


KIND: Final = PageKind(
    slug="swarm",
    title="Swarm",
    build=_build,
    filters=FILTERS,
    intro="Whether the swarm decides better than its members, what each is worth, and where they differ.",
    suggestions=suggestions,
    version=version,
)
