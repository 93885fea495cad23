"""Plan: closures that build an instance, composed once at start-up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from inspect import Parameter
from typing import Any

from kick.di.errors import did_not_yield, missing_seed, not_started
from kick.di.graph import Found, Graph
from kick.di.lifetime import Lifetime
from kick.di.recipe import Part, Recipe
from kick.di.scope import Scope
from kick.di.signature import Kind

Run = Callable[[Scope], Any]
Defer = Callable[[Scope, Any], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """A function to call with the scope. If `awaits`, its result must be awaited."""

    run: Run
    awaits: bool = False


class Planner:
    """The plans for one state of a graph. They read singletons from `instances`, which the container fills.

    The graph has been checked: no provider is missing, and there is no circular dependency.

    >>> from kick.di.provider import Provider
    >>> graph = Graph([Provider(str, value="hello")], seeds=())
    >>> plan = Planner(graph, {}).found(graph.find(list[str]))
    >>> plan.run(None), plan.awaits
    (['hello'], False)
    """

    def __init__(self, graph: Graph, instances: dict[Recipe, Any]) -> None:
        self._graph = graph
        self._instances = instances
        self._plans: dict[Recipe, Plan] = {}

    def found(self, found: Found) -> Plan:
        """Return the plan for a look-up: one instance, several, or none."""
        plans = [self._injected(recipe) for recipe in found.recipes]
        if found.in_list and (plans or not found.optional):
            return _call(_listed, plans, {})
        return plans[0] if plans else Plan(lambda _: None)

    def build(self, recipe: Recipe) -> Plan:
        """Return the plan for a new instance of one recipe."""
        positional, keyword = self._arguments(recipe)
        call = _call(recipe.factory, positional, keyword)
        match recipe.kind:
            case Kind.GENERATOR:
                return _first_of_generator(call, recipe, self._deferred(recipe))
            case Kind.ASYNC_GENERATOR:
                return _first_of_async_generator(call, recipe, self._deferred(recipe))
            case Kind.AWAIT:
                return _awaited(call)
            case _:
                return call

    def _deferred(self, recipe: Recipe) -> Defer:
        return Scope.defer_briefly if self._graph.is_brief(recipe) else Scope.defer

    def _injected(self, recipe: Recipe) -> Plan:
        if recipe not in self._plans:
            self._plans[recipe] = self._plan(recipe)
        return self._plans[recipe]

    def _plan(self, recipe: Recipe) -> Plan:
        if recipe.kind is Kind.VALUE:
            return _constant(recipe.value)
        if recipe.kind is Kind.SEED:
            return _seed(recipe.key)
        if isinstance(recipe, Part):
            return _once(recipe, _part(recipe))
        match self._graph.lifetime(recipe):
            case Lifetime.SINGLETON:
                return _singleton(recipe, self._instances)
            case Lifetime.REQUEST | Lifetime.HANDLER:
                return _once(recipe, self.build(recipe))
            case Lifetime.TRANSIENT:
                return self.build(recipe)

    def _arguments(self, recipe: Recipe) -> tuple[list[Plan], dict[str, Plan]]:
        """Split arguments into positional and named ones. After a parameter with its default, all are named."""
        positional: list[Plan] = []
        keyword: dict[str, Plan] = {}
        gap = False
        for need, found in self._graph.edges(recipe):
            kind = need.parameter.kind
            missing = not found.recipes and need.has_default
            # A missing positional-only parameter cannot be skipped, so its default is passed.
            if missing and kind is Parameter.POSITIONAL_ONLY:
                positional.append(_constant(need.parameter.default))
            elif missing:
                gap = True
            elif (gap and kind is not Parameter.POSITIONAL_ONLY) or kind is Parameter.KEYWORD_ONLY:
                keyword[need.name] = self.found(found)
            else:
                positional.append(self.found(found))
        return positional, keyword


def _constant(value: Any) -> Plan:
    return Plan(lambda _: value)


def _listed(*values: Any) -> list[Any]:
    return list(values)


def _seed(key: Any) -> Plan:
    def run(scope: Scope) -> Any:
        try:
            return scope.seeds[key]
        except KeyError:
            raise missing_seed(key) from None

    return Plan(run)


def _part(part: Part) -> Plan:
    get, read = _seed(part.seed).run, part.read
    return Plan(lambda scope: read(get(scope)), awaits=part.awaits)


def _singleton(recipe: Recipe, instances: dict[Recipe, Any]) -> Plan:
    def run(_: Scope) -> Any:
        try:
            return instances[recipe]
        except KeyError:
            raise not_started(recipe.key) from None

    return Plan(run)


def _once(recipe: Recipe, build: Plan) -> Plan:
    """Run a plan once in each scope. Without an `await`, no other task can interrupt it, so it needs no claim."""
    make = build.run

    def run(scope: Scope) -> Any:
        values = scope.values
        if recipe not in values:
            values[recipe] = make(scope)
        return values[recipe]

    async def run_claimed(scope: Scope) -> Any:
        values = scope.values
        # If another task is building this instance, wait for it instead of building a second one.
        if recipe not in values and scope.pending:
            await scope.settled(recipe)
        if recipe in values:
            return values[recipe]
        scope.claim(recipe)
        try:
            value = values[recipe] = await make(scope)
        finally:
            scope.settle(recipe)
        return value

    return Plan(run_claimed, awaits=True) if build.awaits else Plan(run)


def _call(factory: Any, positional: list[Plan], keyword: dict[str, Plan]) -> Plan:
    plans = [*positional, *keyword.values()]
    if any(plan.awaits for plan in plans):
        return _call_with_awaits(factory, positional, keyword)
    runs = [plan.run for plan in positional]
    if keyword:
        named = {name: plan.run for name, plan in keyword.items()}
        return Plan(lambda scope: factory(*[run(scope) for run in runs], **{k: run(scope) for k, run in named.items()}))
    # Most factories have at most two parameters: a direct call is faster than unpacking a list.
    match runs:
        case []:
            return Plan(lambda _: factory())
        case [one]:
            return Plan(lambda scope: factory(one(scope)))
        case [one, two]:
            return Plan(lambda scope: factory(one(scope), two(scope)))
        case _:
            return Plan(lambda scope: factory(*[run(scope) for run in runs]))


def _call_with_awaits(factory: Any, positional: list[Plan], keyword: dict[str, Plan]) -> Plan:
    named = list(keyword.items())

    async def run(scope: Scope) -> Any:
        values = [await plan.run(scope) if plan.awaits else plan.run(scope) for plan in positional]
        options = {name: await plan.run(scope) if plan.awaits else plan.run(scope) for name, plan in named}
        return factory(*values, **options)

    return Plan(run, awaits=True)


def _awaited(call: Plan) -> Plan:
    make = call.run
    if not call.awaits:
        return Plan(make, awaits=True)  # the caller awaits the coroutine of the factory

    async def run(scope: Scope) -> Any:
        return await (await make(scope))

    return Plan(run, awaits=True)


def _first_of_generator(call: Plan, recipe: Recipe, defer: Defer) -> Plan:
    make = call.run

    def begin(scope: Scope, generator: Any) -> Any:
        try:
            value = next(generator)
        except StopIteration:
            raise did_not_yield(recipe.factory) from None
        defer(scope, generator)
        return value

    async def run(scope: Scope) -> Any:
        return begin(scope, await make(scope))

    return Plan(run, awaits=True) if call.awaits else Plan(lambda scope: begin(scope, make(scope)))


def _first_of_async_generator(call: Plan, recipe: Recipe, defer: Defer) -> Plan:
    make, awaits = call.run, call.awaits

    async def run(scope: Scope) -> Any:
        generator = await make(scope) if awaits else make(scope)
        try:
            value = await anext(generator)
        except StopAsyncIteration:
            raise did_not_yield(recipe.factory) from None
        defer(scope, generator)
        return value

    return Plan(run, awaits=True)
