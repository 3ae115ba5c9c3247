"""The plan for one module: which calls move to the factory, and how."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import libcst as cst

from src.migration.rewrite import sdk_vocabulary as sdk
from src.migration.rewrite.analysis.syntax import code, is_constant
from src.migration.rewrite.find.branches import exclude_one_another
from src.migration.rewrite.find.calls import find_calls
from src.migration.rewrite.find.clients import group_clients
from src.migration.rewrite.project.own_server import refuse_own_client
from src.migration.rewrite.records import Site, Unprovable
from src.migration.rewrite.translate import evaluations, handlers, keys, models
from src.migration.rewrite.translate.arguments import translate_call
from src.migration.rewrite.translate.broad_handlers import check_broad_handlers
from src.migration.rewrite.translate.constructions import arguments_of
from src.migration.rewrite.translate.replies import UnprovableReply, follow_reply, settle_modes
from src.migration.rewrite.translate.reply_reads import family

if TYPE_CHECKING:
    from src.migration.rewrite.analysis.reaching import ReachingDefinitions
    from src.migration.rewrite.analysis.values import Evaluator
    from src.migration.rewrite.find.clients import Group
    from src.migration.rewrite.records import ProjectContext
    from src.migration.rewrite.translate.handlers import ErrorUses
    from src.migration.rewrite.translate.model_spec import ModelSpec
    from src.migration.rewrite.translate.reply_reads import Reply
    from src.migration.rewrite.translate.translated_call import TranslatedCall

_REPLACED_METHODS = frozenset({"create", "acreate", "generate_content", "generate_content_async"})


@dataclass(slots=True)
class Move:
    """How one call moves to the factory.

    Attributes:
        site: The call.
        translated: Its arguments in the factory's terms.
        route: Where its model comes from: `place`, the model that replaces the client; `inline`, a model that the call
            gets itself; `model`, a model of the factory that the program has already.
        spec: The model that replaces the client; None for the route `model`.
        reply: Where its reply goes.
        providers: The providers whose clients have the method; empty where all clients that can be there have it.
    """

    site: Site
    translated: TranslatedCall
    route: Literal["place", "inline", "model"]
    spec: ModelSpec | None
    reply: Reply | None = None
    providers: tuple[str, ...] = ()


@dataclass(slots=True)
class Plan:
    """All decisions about one module.

    Attributes:
        sites: All calls that ask for text, those that stay included.
        moves: The calls that move.
        groups: The clients.
        converted: The clients that become models.
        fixed_models: The model's name for clients on which all calls agree on one, so that the client carries it.
        handled: The uses of an SDK's exceptions, by package.
        remaining_sdks: SDKs whose errors other calls go on raising.
        unhandled: Why an SDK's handlers cannot be translated, by package.
    """

    sites: list[Site]
    moves: list[Move] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    converted: dict[cst.CSTNode, ModelSpec] = field(default_factory=dict)
    fixed_models: dict[cst.CSTNode, cst.BaseExpression] = field(default_factory=dict)
    handled: dict[str, ErrorUses] = field(default_factory=dict)
    remaining_sdks: set[str] = field(default_factory=set)
    unhandled: dict[str, Unprovable] = field(default_factory=dict)


class Planner:
    """Plans one module; each call that stays says why.

    Args:
        values: What the module's expressions can be.
        project: What is known about the other files.
    """

    def __init__(self, values: Evaluator, project: ProjectContext) -> None:
        self.project = project
        self.remaining_sdks = set(project.remaining_sdks) | _sdks_with_other_uses(values)
        self.values = values
        self.tree = values.tree
        self.sites = find_calls(values)
        self.groups = group_clients(values, self.sites)
        self.translated: dict[Site, TranslatedCall] = {}
        self.specs: dict[cst.CSTNode, ModelSpec] = {}
        self.reaches: dict[cst.CSTNode, ReachingDefinitions] = {}
        for site in self.sites:
            self._translate(site)
        for group in self.groups:
            self._specify_models(group)

    def _translate(self, site: Site) -> None:
        if site.blocked is None and any(write.name in _REPLACED_METHODS for write in self.tree.attribute_writes):
            site.blocked = Unprovable("this file puts a method of its own in the SDK's place", "take that out first")
        if site.blocked is None:
            try:
                self.translated[site] = translate_call(site, self.values)
                check_broad_handlers(site, self.values)
            except Unprovable as error:
                site.blocked = error

    def _specify_models(self, group: Group) -> None:
        borrowed_names = group.names & self.project.borrowed_names
        if borrowed_names:
            group.blockers.append(f"another file uses {', '.join(sorted(borrowed_names))}")
        for client, sdk_name in group.clients.items():
            try:
                assert isinstance(client, cst.Call)  # noqa: S101 - a client is known by the call that constructs it
                address = arguments_of(client, self.values).arguments.get("base_url")
                refuse_own_client(address, self.values, self.project.served_paths)
                self.specs[client] = models.of_client(client, sdk_name, self.values, self.project.settings)
            except Unprovable as error:
                group.blockers.append(f"line {self.tree.line(client)}: {error.reason}")

    def plan(self) -> Plan:
        """Plan again without the calls that the last attempt blocked, until an attempt blocks none."""
        while True:
            blocked = sum(site.blocked is not None for site in self.sites)
            plan = self._attempt()
            if blocked == sum(site.blocked is not None for site in self.sites):
                return plan

    def take_back(self, node: cst.CSTNode, reason: str) -> None:
        """Let a call or a client stay, with all calls of the clients that it shares expressions with.

        Args:
            node: The call, or the call that constructs the client.
            reason: Why, in the report's words.
        """
        cause = Unprovable(reason, "get the model with ModelFactory.get_model where it is used")
        groups = [
            group for group in self.groups if node in group.clients or any(site.call is node for site in group.sites)
        ]
        for group in groups:
            group.blockers.append(reason)
        for site in self.sites:
            is_member = site.call is node or any(site in group.sites for group in groups)
            if is_member and site.blocked is None:
                site.blocked = cause

    def _attempt(self) -> Plan:
        plan = Plan(sites=self.sites, groups=self.groups)
        open_groups = {id(group) for group in self.groups if self._is_convertible(group)}
        for site in self.sites:
            if site.blocked is None:
                try:
                    plan.moves.append(self._move(site, open_groups))
                except Unprovable as error:
                    site.blocked = error
        self._convert_clients(plan, open_groups)
        self._follow_replies(plan)
        self._translate_handlers(plan)
        return plan

    # Where each call's model comes from.

    def _is_convertible(self, group: Group) -> bool:
        blocked = [site for site in group.sites if site.blocked is not None]
        return not group.blockers and not blocked and all(client in self.specs for client in group.clients)

    def _move(self, site: Site, open_groups: set[int]) -> Move:
        translated = self.translated[site]
        if site.kind.startswith("model."):
            return Move(site=site, translated=translated, route="model", spec=None)
        modules = [value for value in site.values if value.kind == "module"]
        if modules:
            if len(site.values) > 1:
                raise Unprovable("the call hangs on a module or on something else", "")
            is_legacy = site.kind == "legacy"
            spec = models.of_module(site.sdk, self.values, self.project.settings, is_legacy=is_legacy)
            move = self._inline(site, translated, spec)
            if is_legacy and move.spec is not None:
                settings = keys.prefer_the_calls(move.spec, translated.settings, self.values)
                move.translated = replace(translated, settings=settings)
            return move
        clients = [value.node for value in site.values if value.kind == "client" and value.node is not None]
        group = next(group for group in self.groups if clients and clients[0] in group.clients)
        has_unknown = any(value.kind not in ("client", "none") for value in site.values)
        specs = [self.specs[client] for client in clients if client in self.specs]
        is_open = id(group) in open_groups and not translated.settings and not has_unknown
        if is_open and _add_the_same(specs, self.values):
            return Move(
                site=site,
                translated=translated,
                route="place",
                spec=_strictest(specs),
                providers=self._providers_with_method(site),
            )
        if has_unknown or len(specs) != 1 or len(clients) != 1:
            reason = group.blockers[0] if group.blockers else "one of its client's calls stays"
            raise Unprovable(f"the client cannot become a model: {reason}", "get the model with ModelFactory.get_model")
        if any(value.kind == "none" for value in site.values):
            raise Unprovable(
                "its client can be None, where the call failed", "get the model with ModelFactory.get_model"
            )
        return self._inline(site, translated, specs[0])

    def _providers_with_method(self, site: Site) -> tuple[str, ...]:
        """Return the providers that a call can go to where its client may be another SDK's, which lacks the method."""
        clients = {value.node: (value.name, site.names) in sdk.CALLS for value in site.values if value.node is not None}
        may_lack = any(
            not has_method and not exclude_one_another(client, site.call, self.tree)
            for client, has_method in clients.items()
        )
        if not may_lack:
            return ()
        site.notes.append("its client may be another SDK's, which has no such method: AttributeError, as before")
        return tuple(sorted({self.specs[client].provider for client, has_method in clients.items() if has_method}))

    def _inline(self, site: Site, translated: TranslatedCall, spec: ModelSpec) -> Move:
        def is_movable(part: cst.CSTNode) -> bool:
            return models.stands_alone(part, self.values) or models.stands_beside(part, site.call, self.values)

        spec, parts = keys.made_portable(spec, self.values, is_movable)
        parts += [value for _, value in spec.options]
        parts += [part for part in (spec.model, spec.system) if part is not None]
        if not all(map(is_movable, parts)):
            raise Unprovable(
                "what its client is made with is known only where it is made",
                "get the model with ModelFactory.get_model",
            )
        is_of_module = all(value.kind == "module" for value in site.values)
        for call in (call for part in parts for call in evaluations.of(part, self.values)):
            where = f"line {self.tree.line(call)}: {code(call)[:60]}"
            if not is_of_module:
                raise Unprovable(
                    f"{where} is evaluated once, and would be at each call", "keep its value in a constant"
                )
            site.review.append(f"{where} is evaluated at each call now, and was once")
        return Move(site=site, translated=translated, route="inline", spec=spec)

    def _convert_clients(self, plan: Plan, open_groups: set[int]) -> None:
        """Record the clients that become models, each with its model's name where all its calls agree on one.

        A client whose calls all get models of their own is converted too: nothing calls it any more.
        """
        by_site = {move.site: move for move in plan.moves}
        for group in self.groups:
            if id(group) not in open_groups or any(site.blocked for site in group.sites):
                continue
            moves = [by_site[site] for site in group.sites if by_site[site].route == "place"]
            names = {code(move.translated.model) if move.translated.model is not None else "" for move in moves}
            for client in group.clients:
                plan.converted[client] = self.specs[client]
                model = moves[0].translated.model if len(names) == 1 else None
                if len(group.clients) == 1 and is_constant(model) and model is not None:
                    plan.fixed_models[client] = model

    # What becomes of replies and errors.

    def _follow_replies(self, plan: Plan) -> None:
        replies = []
        for move in plan.moves:
            try:
                move.reply = follow_reply(move.site, family(move.site), self.tree, self.reaches, move.translated)
            except Unprovable as error:
                move.site.blocked = error
                continue
            replies.append(move.reply)
        try:
            settle_modes(replies, self.reaches, self.tree)
        except UnprovableReply as error:
            error.site.blocked = error.cause

    def _translate_handlers(self, plan: Plan) -> None:
        for package in ("openai", "anthropic", "groq", "ollama", "google.genai"):
            sites = [move.site for move in plan.moves if _package(move.site) == package]
            if not sites and package not in self.project.migrated_sdks:
                continue
            try:
                plan.handled[package] = handlers.find_error_uses(
                    package, self.values, raises_old_errors=self.project.raises_old_errors
                )
                self._refuse_shared_handlers(plan.handled[package], package)
            except Unprovable as error:
                plan.unhandled[package] = error
                for site in sites:
                    site.blocked = error
        plan.remaining_sdks = {package for package in plan.handled if self._remains(package)}

    def _refuse_shared_handlers(self, uses: ErrorUses, package: str) -> None:
        """Raise Unprovable where a handler of calls that stay reads an attribute with another name on our errors."""
        if self._remains(package) and any(handlers.is_renamed(read) for read in uses.reads):
            raise Unprovable("one handler serves this call and one that stays", "give the calls handlers of their own")

    def _remains(self, package: str) -> bool:
        """Tell whether something of an SDK stays in this module."""
        has_blocked = any(site.blocked is not None and _package(site) == package for site in self.sites)
        return (
            has_blocked
            or package in self.remaining_sdks
            or any(group.blockers and package in _packages(group) for group in self.groups)
        )


def _package(site: Site) -> str:
    return sdk.PACKAGES[site.sdk]


def _packages(group: Group) -> set[str]:
    return {sdk.PACKAGES[sdk_name] for sdk_name in group.clients.values()}


def _sdks_with_other_uses(values: Evaluator) -> set[str]:
    """Return the SDKs whose module itself is called for something else than text, such as `openai.audio`."""
    packages = set()
    for node in values.tree.nodes:
        if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
            name = values.module(node.func) or ""
            package = next((package for package in sdk.PACKAGES.values() if name.startswith(f"{package}.")), None)
            if package and sdk.non_chat(tuple(name.removeprefix(f"{package}.").split("."))):
                packages.add(package)
    return packages


def _add_the_same(specs: list[ModelSpec], values: Evaluator) -> bool:
    """Tell whether all clients that a call can be made on add the same system prompt and options to it."""
    additions = {
        (
            code(spec.system) if spec.system is not None else "",
            *(f"{name}={code(value)}" for name, value in spec.options),
        )
        for spec in specs
    }
    if additions == {("",)}:
        return True
    parts = [
        part for spec in specs for part in (spec.system, *(value for _, value in spec.options)) if part is not None
    ]
    return len(additions) == 1 and all(models.stands_alone(part, values) for part in parts)


def _strictest(specs: list[ModelSpec]) -> ModelSpec | None:
    """Return the model that decides how the call is written: at a foreign address, only plain names are taken."""
    return next((spec for spec in specs if spec.foreign_address), specs[0] if specs else None)
