"""Check: finds all errors of a dependency graph before anything is built."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, get_origin

from typing_extensions import get_protocol_members, is_protocol

from kick.di.errors import (
    Lived,
    ambiguous_provider,
    dependency_cycle,
    health_check_of_scoped,
    is_abstract,
    missing_hint,
    missing_provider,
    not_constructible,
    scope_violation,
    unhashable_key,
    unresolved_hint,
)
from kick.di.graph import Found, Graph, Step, is_hashable
from kick.di.hints import Unresolved
from kick.di.lifetime import Lifetime
from kick.di.naming import core, type_name
from kick.di.provider import is_service
from kick.di.recipe import Part, Recipe
from kick.di.signature import Need, Unhinted
from kick.errors import KickError, similar


class Check:
    """One walk over a graph. It visits each recipe once, and reports each error once.

    >>> check = Check(Graph([], seeds=()))
    >>> check.required(int, "show(number) at app.py:12", parameter="number")
    >>> [problem.code for problem in check.report()]
    ['di-missing-provider']
    """

    def __init__(self, graph: Graph, advice: Callable[[Any], str | None] | None = None) -> None:
        self._graph = graph
        self._advice = advice
        self._outside: tuple[str, ...] = ()
        self._problems: list[KickError] = []
        self._seen: dict[Recipe, None] = {}
        self._goes_round = False

    def required(self, key: Any, wanted_by: str, *, parameter: str | None = None) -> None:
        """Check a type that code outside the container needs, and its dependencies."""
        self._outside = (wanted_by,)
        if is_hashable(key):
            self._follow(self._graph.find(key), (), parameter)
        else:
            self._problems.append(unhashable_key(key, wanted_by))

    def registered(self) -> None:
        """Check all registered providers."""
        self._outside = ()
        self._problems.extend(self._graph.problems)
        for root in self._graph.roots():
            for recipe in root.recipes:
                self._visit(recipe, ())
        for root in self._graph.roots():
            for recipe in root.recipes:
                self._check_health(recipe)

    def report(self) -> list[KickError]:
        """Return the errors."""
        return [*self._problems, *(self._cycles() if self._goes_round else ())]

    def _visit(self, recipe: Recipe, path: tuple[Step, ...]) -> None:
        if any(recipe is above for above, _ in path):
            self._goes_round = True
        if recipe in self._seen:
            return
        self._seen[recipe] = None
        if isinstance(recipe, Part) and recipe.problem is not None:
            self._problems.append(recipe.problem)
        if recipe.factory is not None and is_abstract(core(recipe.factory)):
            self._problems.append(not_constructible(core(recipe.factory)))
            return
        for need, found in self._graph.edges(recipe):
            if self._is_readable(recipe, need):
                self._follow(found, (*path, (recipe, need)), need.name)
                self._compare_lifetimes(recipe, need, found)

    def _is_readable(self, recipe: Recipe, need: Need) -> bool:
        match need.hint:
            case Unresolved(text, reason, statement):
                self._problems.append(unresolved_hint(recipe.asks(need), text, reason, statement=statement))
            case Unhinted.MISSING:
                self._problems.append(missing_hint(recipe.asks(need), need.name, guess=self._guess(need.name)))
            case Unhinted.UNUSED:
                pass
            case hint if not is_hashable(hint):
                self._problems.append(unhashable_key(hint, recipe.asks(need)))
            case _:
                return True
        return False

    def _check_health(self, recipe: Recipe) -> None:
        provider = recipe.provider
        if provider.health is not None and self._graph.lifetime(recipe) is not Lifetime.SINGLETON:
            lifetime = self._graph.lifetime(recipe).value
            scope = f', scope="{provider.scope.value}"' if provider.scope else ""
            without = f"Provider({type_name(recipe.key)}, {recipe.code}{scope})"
            longer: str | None = f'Provider({type_name(recipe.key)}, {recipe.code}, scope="singleton", health=...)'
            where = f"The provider at {provider.place}"
            longer = longer if self._may_stay(recipe) else None
            self._problems.append(health_check_of_scoped(recipe.key, lifetime, where, without, longer=longer))

    def _may_stay(self, recipe: Recipe) -> bool:
        """Return true for a generator without a scope that could live as long as the application."""
        below = map(self._graph.shortest, self._graph.below(recipe))
        return recipe.stated is None and all(each is Lifetime.SINGLETON for each in below)

    def _lived(self, recipe: Recipe, lifetime: Lifetime) -> Lived:
        provider = recipe.provider
        is_marked = recipe.factory is not None and is_service(core(recipe.factory))
        decorated = provider.scope is None and (is_marked or provider.written is None)
        factory = None if decorated else recipe.code
        name = recipe.name if isinstance(recipe, Part) else type_name(recipe.key)
        return Lived(name, lifetime.value, factory, may_stay=self._may_stay(recipe))

    def _follow(self, found: Found, path: tuple[Step, ...], parameter: str | None) -> None:
        has_default = bool(path) and path[-1][1].has_default
        if not found.recipes and not found.optional and not has_default:
            self._report_missing(found, path, parameter)
        if len(found.recipes) > 1 and not found.in_list:
            self._report_ambiguous(found, path, parameter)
        for recipe in found.recipes:
            self._visit(recipe, path)

    def _compare_lifetimes(self, recipe: Recipe, need: Need, found: Found) -> None:
        lifetime = recipe.declared
        if lifetime is None or lifetime is Lifetime.TRANSIENT:
            return
        for held in found.recipes:
            shorter = self._graph.shortest(held)
            if shorter.length < lifetime.length:
                way, below = self._graph.path_to(shorter, held)
                chain = [above.asks(each) for above, each in [(recipe, need), *way]]
                holder = self._lived(recipe, lifetime)
                self._problems.append(scope_violation(holder, self._lived(below, shorter), chain))
                return

    def _report_missing(self, found: Found, path: tuple[Step, ...], parameter: str | None) -> None:
        key = found.keys[-1]
        problem = missing_provider(
            key,
            parameter,
            chain=[*self._chain(path), f"list[{type_name(key)}]" if found.in_list else type_name(key)],
            near=self._near(type_name(key)),
            implementation=next((each for each in self._graph.provided() if _implements(each, key)), None),
            advice=self._advice(get_origin(key) or key) if self._advice else None,
        )
        self._problems.append(problem)

    def _report_ambiguous(self, found: Found, path: tuple[Step, ...], parameter: str | None) -> None:
        providers, first = [str(each) for each in found.recipes], found.recipes[0].code
        chain = self._chain(path)
        self._problems.append(ambiguous_provider(found.keys[-1], parameter, providers, chain=chain, first=first))

    def _cycles(self) -> Iterator[KickError]:
        """Find the shortest cycle through every parameter that is on one."""
        known: set[frozenset[Recipe]] = set()
        for recipe in self._seen:
            for need, found in self._graph.edges(recipe):
                for below in found.recipes:
                    way = self._graph.path_back(below, recipe)
                    members = frozenset(above for above, _ in way or ()) | {recipe}
                    if way is not None and members not in known:
                        known.add(members)
                        yield _cycle([(recipe, need), *way])

    def _chain(self, path: tuple[Step, ...]) -> list[str]:
        return [*self._outside, *(recipe.asks(need) for recipe, need in path)]

    def _near(self, name: str) -> list[Any]:
        keys: dict[str, list[Any]] = {}
        for key in self._graph.provided():
            keys.setdefault(type_name(key), []).append(key)
        return [key for near in similar(name, keys) for key in keys[near]]

    def _guess(self, parameter: str) -> str | None:
        words = {type_name(key).lower(): type_name(key) for key in self._graph.provided()}
        near = similar(parameter.replace("_", "").lower(), words, most=1)
        return words[near[0]] if near else None


def _cycle(steps: list[Step]) -> KickError:
    return dependency_cycle(
        [recipe.asks(need) for recipe, need in steps], [type_name(recipe.key) for recipe, _ in steps]
    )


def _implements(candidate: Any, key: Any) -> bool:
    """Return true if a provided class is a subclass of a type, or has all members of a protocol."""
    if not isinstance(candidate, type) or candidate is key or key is object:
        return False
    wanted = get_protocol_members(key) if is_protocol(key) else ()
    return key in candidate.__mro__ or (bool(wanted) and all(hasattr(candidate, name) for name in wanted))
