"""Decide for one module which calls move to the factory, and how, until every decision fits the others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite import sdk_vocabulary as sdk
from src.migration.rewrite.analysis.syntax import code, is_constant
from src.migration.rewrite.find import calls
from src.migration.rewrite.find import clients as migrate_clients
from src.migration.rewrite.records import Site, Unprovable
from src.migration.rewrite.translate import broad_handlers, handlers, models, reply_reads
from src.migration.rewrite.translate import replies as migrate_replies
from src.migration.rewrite.translate.arguments import Asked, ask

if TYPE_CHECKING:
    from src.migration.rewrite.analysis.reaching import Reach
    from src.migration.rewrite.analysis.values import Evaluator
    from src.migration.rewrite.find.clients import Group
    from src.migration.rewrite.records import Around
    from src.migration.rewrite.translate.handlers import Handled
    from src.migration.rewrite.translate.models import Made
    from src.migration.rewrite.translate.reply_reads import Reply


@dataclass(slots=True)
class Move:
    """Hold how one call moves: on the model that stands where the client stood, or on one that it gets itself."""

    site: Site
    asked: Asked
    route: str  # place, inline or model
    made: Made | None
    reply: Reply | None = None


@dataclass(slots=True)
class Plan:
    """Hold all decisions about one module."""

    sites: list[Site]
    moves: list[Move] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    converted: dict[cst.CSTNode, Made] = field(default_factory=dict)
    baked: dict[cst.CSTNode, cst.BaseExpression] = field(default_factory=dict)
    handled: dict[str, Handled] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)  # SDKs whose errors other calls go on raising
    unhandled: dict[str, Unprovable] = field(default_factory=dict)  # SDKs that only other files ask through


def plan(values: Evaluator, around: Around) -> Plan:
    """Return the plan for one module, given what is known of the others; what is not moved says why."""
    return _Planner(values, around).plan()


_ASKING = frozenset({"create", "acreate", "generate_content", "generate_content_async"})


class _Planner:
    def __init__(self, values: Evaluator, around: Around) -> None:
        self.around = around
        self.kept = set(around.stays) | _other_uses(values)
        self.values = values
        self.tree = values.tree
        self.sites = calls.find(values)
        self.groups = migrate_clients.groups(values, self.sites)
        self.asked: dict[Site, Asked] = {}
        self.made: dict[cst.CSTNode, Made] = {}
        self.reaches: dict[cst.CSTNode, Reach] = {}
        for site in self.sites:
            self._attempt(site)
        for group in self.groups:
            self._make(group, around.borrowed)

    def _attempt(self, site: Site) -> None:
        if site.blocked is None and any(one.name in _ASKING for one in self.tree.stored):
            site.blocked = Unprovable("this file puts a method of its own in the SDK's place", "take that out first")
        if site.blocked is None:
            try:
                self.asked[site] = ask(site, self.values)
                broad_handlers.look(site, self.values)
            except Unprovable as error:
                site.blocked = error

    def _make(self, group: Group, borrowed: frozenset[str]) -> None:
        if group.names & borrowed:
            group.blockers.append(f"another file uses {', '.join(sorted(group.names & borrowed))}")
        for client, kit in group.clients.items():
            try:
                assert isinstance(client, cst.Call)  # noqa: S101 - clients are what makes them
                self.made[client] = models.of_client(client, kit, self.values, self.around.settings)
            except Unprovable as error:
                group.blockers.append(f"line {self.tree.line(client)}: {error.reason}")

    def plan(self) -> Plan:
        """Decide again and again, with one site fewer each time, until nothing contradicts."""
        while True:
            blocked = sum(site.blocked is not None for site in self.sites)
            made = self._once()
            if blocked == sum(site.blocked is not None for site in self.sites):
                return made

    def _once(self) -> Plan:
        made = Plan(self.sites, groups=self.groups)
        open_groups = {id(group) for group in self.groups if self._convertible(group)}
        for site in self.sites:
            if site.blocked is None:
                try:
                    made.moves.append(self._move(site, open_groups))
                except Unprovable as error:
                    site.blocked = error
        self._convert(made, open_groups)
        self._follow(made)
        self._handle(made)
        return made

    # Where each call's model comes from.

    def _convertible(self, group: Group) -> bool:
        stays = [site for site in group.sites if site.blocked is not None]
        return not group.blockers and not stays and all(client in self.made for client in group.clients)

    def _move(self, site: Site, open_groups: set[int]) -> Move:
        asked = self.asked[site]
        if site.kind.startswith("model."):
            return Move(site, asked, "model", None)
        kits = [value for value in site.values if value.kind == "module"]
        if kits:
            if len(site.values) > 1:
                raise Unprovable("the call hangs on a module or on something else", "")
            made = models.of_module(site.sdk, self.values, self.around.settings)
            return self._inline(site, asked, made)
        clients = [value.node for value in site.values if value.kind == "client" and value.node is not None]
        group = next(group for group in self.groups if clients and clients[0] in group.clients)
        unknown = [value for value in site.values if value.kind not in ("client", "none")]
        kept = [self.made[client] for client in clients if client in self.made]
        if id(group) in open_groups and not asked.settings and not unknown and _alike(kept, self.values):
            return Move(site, asked, "place", _widest(kept))
        if unknown or len(kept) != 1 or len(clients) != 1:
            why = group.blockers[0] if group.blockers else "one of its client's calls stays"
            raise Unprovable(f"the client cannot become a model: {why}", "get the model with ModelFactory.get_model")
        return self._inline(site, asked, kept[0])

    def _inline(self, site: Site, asked: Asked, made: Made) -> Move:
        parts = [value for _, value in made.settings] + [value for _, value in made.options]
        parts += [part for part in (made.model, made.system) if part is not None]
        known = (
            models.stands_alone(part, self.values) or models.stands_beside(part, site.call, self.values)
            for part in parts
        )
        if not all(known):
            raise Unprovable(
                "what its client is made with is known only where it is made",
                "get the model with ModelFactory.get_model",
            )
        return Move(site, asked, "inline", made)

    def _convert(self, made: Plan, open_groups: set[int]) -> None:
        """Note the clients that become models, each with its model's name where all its calls agree on one."""
        by_site = {move.site: move for move in made.moves}
        for group in self.groups:
            if id(group) not in open_groups or any(site.blocked for site in group.sites):
                continue
            moves = [by_site[site] for site in group.sites if by_site[site].route == "place"]
            if len(moves) != len(group.sites) and not moves and not group.other_uses and group.sites:
                pass  # all its calls get their own model: the client is dead, and turns into a model nobody asks
            names = {code(move.asked.model) if move.asked.model is not None else "" for move in moves}
            for client in group.clients:
                made.converted[client] = self.made[client]
                model = moves[0].asked.model if len(names) == 1 else None
                if len(group.clients) == 1 and is_constant(model) and model is not None:
                    made.baked[client] = model

    # What becomes of replies and errors.

    def _follow(self, made: Plan) -> None:
        replies = []
        for move in made.moves:
            provider = move.made.provider if move.made is not None else sdk.PROVIDERS[move.site.sdk]
            words = reply_reads.family(move.site, provider)
            if provider == "ollama" and move.site.sdk == "openai" and move.asked.raw_options:
                move.site.blocked = Unprovable(
                    "it asks for a format, which Ollama takes otherwise", "use response_format"
                )
                continue
            try:
                move.reply = migrate_replies.follow(move.site, words, self.tree, self.reaches, move.asked)
            except Unprovable as error:
                move.site.blocked = error
                continue
            replies.append(move.reply)
        try:
            migrate_replies.settle(replies, self.reaches, self.tree)
        except migrate_replies.Failed as error:
            error.site.blocked = error.why

    def _handle(self, made: Plan) -> None:
        for package in ("openai", "anthropic", "groq", "ollama", "google.genai"):
            sites = [move.site for move in made.moves if _package(move.site) == package]
            if not sites and package not in self.around.moved:
                continue
            try:
                made.handled[package] = handlers.find(package, self.values)
                self._fits(made.handled[package], package)
            except Unprovable as error:
                made.unhandled[package] = error
                for site in sites:
                    site.blocked = error
        made.kept = {package for package in made.handled if self.stays(package)}

    def _fits(self, handled: Handled, package: str) -> None:
        """Raise Unprovable where handlers serve calls that stay as well, and read what differs."""
        if self.stays(package) and any(handlers.differs(read) for read in handled.reads):
            raise Unprovable("one handler serves this call and one that stays", "give the calls handlers of their own")

    def stays(self, package: str) -> bool:
        """Tell whether something of an SDK stays in this module."""
        left = any(site.blocked is not None and _package(site) == package for site in self.sites)
        return left or package in self.kept or any(group.blockers and package in _of(group) for group in self.groups)


def _of(group: Group) -> set[str]:
    return {sdk.PACKAGES[kit] for kit in group.clients.values()}


def _other_uses(values: Evaluator) -> set[str]:
    """Return the SDKs whose module itself is asked for something else than text: `openai.audio...`."""
    found = set()
    for node in values.tree.nodes:
        if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
            name = values.module(node.func) or ""
            package = next((one for one in sdk.PACKAGES.values() if name.startswith(f"{one}.")), None)
            if package and sdk.non_chat(tuple(name.removeprefix(f"{package}.").split("."))):
                found.add(package)
    return found


def _package(site: Site) -> str:
    return sdk.PACKAGES[site.sdk]


def _alike(kept: list[Made], values: Evaluator) -> bool:
    """Tell whether what goes into each call is the same for all clients that it can be made on."""
    said = {
        (
            code(made.system) if made.system is not None else "",
            *(f"{name}={code(value)}" for name, value in made.options),
        )
        for made in kept
    }
    if said == {("",)}:
        return True
    parts = [part for made in kept for part in (made.system, *(value for _, value in made.options)) if part is not None]
    return len(said) == 1 and all(models.stands_alone(part, values) for part in parts)


def _widest(kept: list[Made]) -> Made | None:
    """Return the client that decides how the call is said: one at a foreign address takes only plain names."""
    return next((made for made in kept if made.foreign_address), kept[0] if kept else None)
