"""Graph: providers, their dependencies and their lifetimes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from types import NoneType, UnionType
from typing import Annotated, Any, Protocol, Union, get_args, get_origin

from kick.di.hints import Unresolved
from kick.di.lifetime import Lifetime, limit_of_holders
from kick.di.provider import Provider, hashed, is_service, provider_of
from kick.di.recipe import Part, Recipe, Seed
from kick.di.signature import Kind, Need, Unhinted
from kick.errors import KickError

Step = tuple[Recipe, Need]
"""A recipe and its parameter that leads to the next recipe."""


class FindPart(Protocol):
    """Finds the part of a seed that a parameter gets, or returns `None` if the container has to provide it."""

    def __call__(self, need: Need, where: str, *, is_provided: bool) -> Part | None:
        """`where` is the parameter and its place, for messages."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """The result of looking up a hint: the keys and their recipes.

    Exactly one recipe is needed, unless `in_list`. No recipe is needed if `optional`.
    """

    keys: tuple[Any, ...]
    recipes: tuple[Recipe, ...] = ()
    optional: bool = False
    in_list: bool = False


NOTHING = Found(())


class Graph:
    """The providers of one container with its overrides, and their dependencies.

    >>> graph = Graph([Provider(str, value="hello")], seeds=())
    >>> [str(recipe.provider) for recipe in graph.find(str | None).recipes]
    ['Provider(str, value=...)']
    >>> graph.find(list[int]).recipes, graph.find(int | None).optional
    ((), True)
    """

    def __init__(
        self,
        entries: Iterable[Any],
        seeds: Iterable[Any],
        inner: Iterable[Any] = (),
        parts: FindPart | None = None,
    ) -> None:
        self._find_part = parts
        self.problems: list[KickError] = []
        self._inner = frozenset(inner)
        self.seeds = frozenset(seeds)
        self._registered: dict[Any, list[Recipe]] = {key: [Seed(key)] for key in self.seeds}
        self._implicit: dict[Any, Recipe] = {}
        self._overrides: dict[Any, Recipe] = {}
        self._register(self._providers(entries))
        self.forget()

    def _providers(self, entries: Iterable[Any]) -> Iterator[Provider]:
        seen: set[Any] = set()
        for entry in entries:
            try:
                provider = provider_of(entry)
            except KickError as problem:
                self.problems.append(problem)
                continue
            if provider.identity not in seen:
                seen.add(provider.identity)
                yield provider

    def _register(self, found: Iterable[Provider]) -> None:
        providers = list(found)
        built_as_themselves = {id(each.key) for each in providers if each.factory is each.key}
        for each in providers:
            known = id(each.factory) in built_as_themselves or is_service(each.factory)
            self._registered.setdefault(each.key, []).append(Recipe(each, shares=known and _may_share(each)))

    def forget(self) -> None:
        """Clear the caches after a change."""
        self._edges: dict[Recipe, tuple[tuple[Need, Found], ...]] = {}
        self._shortest: dict[Recipe, Lifetime] = {}
        self._parts: dict[Recipe, tuple[Part, ...]] = {}
        self._closing: dict[Recipe, bool] = {}
        self._opening: dict[Recipe, bool] = {}

    def swap(self, key: Any, recipe: Recipe | None) -> Recipe | None:
        """Set or remove the override of a key, and return the previous one."""
        before = self._overrides.pop(key, None)
        if recipe is not None:
            self._overrides[key] = recipe
        self.forget()
        return before

    def provided(self) -> list[Any]:
        """Return all known keys, except the inner ones."""
        return [key for key in {**self._registered, **self._implicit, **self._overrides} if key not in self._inner]

    @property
    def awaits(self) -> bool:
        """Return true if some registered type must be awaited. Unregistered types are classes, which are called."""
        recipes = chain(*self._registered.values(), self._overrides.values())
        return any(recipe.kind in (Kind.AWAIT, Kind.ASYNC_GENERATOR) for recipe in recipes)

    def roots(self) -> list[Found]:
        """Return all registered recipes, including overrides."""
        return [Found((key,), self.recipes(key), in_list=True) for key in {**self._registered, **self._overrides}]

    def recipes(self, key: Any) -> tuple[Recipe, ...]:
        """Return the recipes of a key in the order of registration."""
        if override := self._overrides.get(hashed(key)):
            return (override,)
        if registered := self._registered.get(key):
            return tuple(registered)
        marked = get_origin(key) or key
        if key not in self._implicit and isinstance(marked, type) and is_service(marked):
            self._implicit[key] = Recipe(Provider(key))
        return (self._implicit[key],) if key in self._implicit else ()

    def find(self, hint: Any) -> Found:
        """Look up a type hint: as a key, then as `list[T]`, then as `T | None`. `Seed[T]` is the seed."""
        hint = get_origin(hint) if get_origin(hint) in self.seeds else hint
        if recipes := self.recipes(hint):
            return Found((hint,), recipes)
        origin, args = get_origin(hint), get_args(hint)
        if origin is list:
            return Found((hint, args[0]), self.recipes(args[0]), in_list=True)
        if origin in (Union, UnionType) and NoneType in args:
            inner = self.find(Union[tuple(each for each in args if each is not NoneType)])  # noqa: UP007
            return Found((hint, *inner.keys), inner.recipes, optional=True, in_list=inner.in_list)
        return Found((hint,))

    def knows(self, key: Any, wanted: Iterable[Any]) -> bool:
        """Return true if a key has a provider, or if a provider or one of the `wanted` hints asks for it."""
        if self.recipes(key):
            return True
        found = [*self.roots(), *(self.find(hint) for hint in wanted if is_hashable(hint))]
        recipes = dict.fromkeys(recipe for each in found for recipe in each.recipes)
        return any(key in each.keys for each in found) or bool(self.dependents(recipes, key))

    def variants(self, key: Any) -> list[Any]:
        """Return the keys that an override replaces: `X`, and `X | None` if that has a provider of its own."""
        optional = Union[key, None]  # noqa: UP007  # `|` does not take every key
        return [key, optional] if optional != key and optional in self._registered else [key]

    def edges(self, recipe: Recipe) -> tuple[tuple[Need, Found], ...]:
        """Return the look-up of each parameter of a recipe."""
        if recipe not in self._edges:
            self._edges[recipe] = tuple((need, self._filled(recipe, need)) for need in recipe.needs)
        return self._edges[recipe]

    def _filled(self, recipe: Recipe, need: Need) -> Found:
        if isinstance(need.hint, Unhinted | Unresolved) or not is_hashable(need.hint):
            return NOTHING
        found = self.find(need.hint)
        if self._find_part is not None:
            part = self._find_part(need, recipe.asks(need), is_provided=bool(found.recipes))
            if part is not None:
                return Found((need.hint,), (part,))
        return found

    def parts(self, recipe: Recipe) -> tuple[Part, ...]:
        """Return the parts of seeds that a recipe needs, at any depth."""
        if isinstance(recipe, Part):
            return (recipe,)
        if recipe not in self._parts:
            self._parts[recipe] = ()  # for a circular dependency, which is reported elsewhere
            self._parts[recipe] = tuple(dict.fromkeys(chain(*map(self.parts, self.below(recipe)))))
        return self._parts[recipe]

    def lifetime(self, recipe: Recipe) -> Lifetime:
        """Return the declared lifetime, or that of the shortest-lived dependency."""
        return recipe.declared or self.shortest(recipe)

    def shortest(self, recipe: Recipe) -> Lifetime:
        """Return the lifetime that limits whoever holds an instance: see `limit_of_holders`."""
        known = self._shortest
        if recipe not in known:
            known[recipe] = Lifetime.SINGLETON  # for a circular dependency, which is reported elsewhere
            known[recipe] = limit_of_holders(recipe.declared, map(self.shortest, self.below(recipe)))
        return known[recipe]

    def closes(self, recipe: Recipe) -> bool:
        """Return true for what a generator yields until its scope ends, and for objects that are made with it."""
        if recipe not in self._closing:
            self._closing[recipe] = recipe.kind in (Kind.GENERATOR, Kind.ASYNC_GENERATOR)
            if recipe.shares or isinstance(recipe.factory, type):
                below = [each for each in self.below(recipe) if self.lifetime(each) is not Lifetime.SINGLETON]
                self._closing[recipe] = any(map(self.closes, below))
        return self._closing[recipe]

    def opens(self, recipe: Recipe) -> bool:
        """Return true if a generator runs in the scope of a request for it, at any depth."""
        if recipe not in self._opening:
            self._opening[recipe] = False  # for a circular dependency, which is reported elsewhere
            if self.lifetime(recipe) is not Lifetime.SINGLETON:
                is_generator = recipe.kind in (Kind.GENERATOR, Kind.ASYNC_GENERATOR)
                self._opening[recipe] = is_generator or any(map(self.opens, self.below(recipe)))
        return self._opening[recipe]

    def is_brief(self, recipe: Recipe) -> bool:
        """Return true if a recipe ends when the handler has returned."""
        return self.shortest(recipe) is Lifetime.HANDLER

    def below(self, recipe: Recipe) -> Iterator[Recipe]:
        """Return the direct dependencies of a recipe."""
        for _, found in self.edges(recipe):
            yield from found.recipes

    def path_to(self, lifetime: Lifetime, start: Recipe) -> tuple[list[Step], Recipe]:
        """Return the shortest path to a recipe with this declared lifetime, and this recipe."""
        ways = self._ways(start, lambda recipe: self.shortest(recipe) is lifetime)
        return next((way, recipe) for recipe, way in ways if recipe.declared is lifetime)

    def path_back(self, start: Recipe, end: Recipe) -> list[Step] | None:
        """Return the shortest path from one recipe to another, if there is one."""
        return next((way for recipe, way in self._ways(start, lambda _: True) if recipe is end), None)

    def _ways(self, start: Recipe, passable: Callable[[Recipe], bool]) -> Iterator[tuple[Recipe, list[Step]]]:
        """Yield all dependencies of a recipe with their paths, the nearest first."""
        ways: deque[tuple[Recipe, list[Step]]] = deque([(start, [])])
        seen = {start}
        while ways:
            recipe, way = ways.popleft()
            yield recipe, way
            for need, found in self.edges(recipe):
                for below in found.recipes:
                    if below not in seen and passable(below):
                        seen.add(below)
                        ways.append((below, [*way, (recipe, need)]))

    def singletons(self, roots: Iterable[Found]) -> list[Recipe]:
        """Return the singletons that some roots need, each after its dependencies."""
        order: list[Recipe] = []
        seen: set[Recipe] = set()

        def visit(recipe: Recipe) -> None:
            if recipe not in seen:
                seen.add(recipe)
                for below in self.below(recipe):
                    visit(below)
                if recipe.kind is not Kind.VALUE and self.lifetime(recipe) is Lifetime.SINGLETON:
                    order.append(recipe)

        for root in roots:
            for recipe in root.recipes:
                visit(recipe)
        return order

    def dependents(self, recipes: Iterable[Recipe], key: Any) -> list[Recipe]:
        """Return the recipes that depend on a key, at any depth."""
        known: dict[Recipe, bool] = {}

        def reaches(recipe: Recipe) -> bool:
            if recipe not in known:
                known[recipe] = False
                ways = (found for _, found in self.edges(recipe))
                known[recipe] = any(key in found.keys or any(map(reaches, found.recipes)) for found in ways)
            return known[recipe]

        return [recipe for recipe in recipes if reaches(recipe)]


def is_hashable(key: Any) -> bool:
    """Return true if a hint is hashable.

    >>> is_hashable(Annotated[int, []])
    False
    """
    try:
        hash(key)
    except TypeError:
        return False
    return True


def _may_share(provider: Provider) -> bool:
    return (
        isinstance(provider.factory, type)
        and provider.factory is not provider.key
        and provider.scope is None
        and get_origin(provider.key) is not Annotated
    )
