"""Container: builds instances of providers and returns them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from contextlib import ExitStack, contextmanager
from copy import copy
from functools import partial
from typing import Any, NamedTuple, TypeVar, get_origin, overload

from kick.di.check import Check
from kick.di.errors import outside_scope, override_by_class, undeclared_seed, unused_override
from kick.di.graph import FindPart, Found, Graph
from kick.di.lifetime import Lifetime, shortest
from kick.di.naming import type_name
from kick.di.plan import Plan, Planner
from kick.di.provider import Provider, hashed
from kick.di.recipe import Recipe
from kick.di.scope import Scope, Scopes
from kick.di.singletons import Singletons, State
from kick.errors import KickError, raise_all, similar

T = TypeVar("T")

Resolver = Callable[[Scope], Awaitable[Any]]


class _Answer(NamedTuple):
    """The cached answer for one key: its plan, and the singletons that it needs."""

    plan: Plan
    lifetime: Lifetime
    singletons: list[Recipe]


class Container:
    """The providers of one application and their instances.

    `providers` are classes (registered under themselves), provider functions (under the type that they return or
    yield), `Provider`s, and any other objects (under their type). `seeds` are types that each scope receives from
    outside, such as the context of the request. `inner` are keys that no error message suggests. `advice` returns the
    fix for a type that has no provider. A class with `@Service` need not be listed. `Scopes` is always provided.
    `parts` finds parameters of providers that are filled with a part of a seed, such as the query of the request.

    Keys are types: `X` or `Annotated[X, "qualifier"]`. `X | None` is `None` if nobody provides X. `list[X]` has an
    instance of every provider of X, in the order of registration.

    >>> import asyncio
    >>> from kick.di import Service
    >>> @Service()
    ... class Greeter:
    ...     def __init__(self, greeting: str) -> None:
    ...         self.greeting = greeting
    >>> container = Container([Provider(str, value="hello"), Greeter])
    >>> container.check()
    []
    >>> asyncio.run(container.start())
    >>> container.instance(Greeter).greeting
    'hello'
    """

    def __init__(
        self,
        providers: Iterable[Any] = (),
        *,
        seeds: Iterable[Any] = (),
        inner: Iterable[Any] = (),
        advice: Callable[[Any], str | None] | None = None,
        parts: FindPart | None = None,
    ) -> None:
        own = Provider(Scopes, value=Scopes(self.scope))
        self._graph = Graph([*providers, own], seeds, [*inner, Scopes], parts)
        self._advice = advice
        self._required: dict[tuple[str, str | None], list[Any]] = {}  # by place, because a key need not be hashable
        self._problems: list[KickError] | None = None
        self._resolved: dict[Any, None] = {}
        self._singletons = Singletons(self, self._graph)
        self._version = 0
        self.overridden: dict[Any, Any] = {}
        """The replacements of the overrides that are in force, by key; it is empty outside of tests."""
        self._forget()

    @property
    def version(self) -> int:
        """The number of overrides that began or ended. A change makes earlier resolvers and instances invalid.

        After a change, call `await container.start()`, and then `resolver` and `instance` again.

        >>> container = Container([Provider(int, value=0)])
        >>> with container.override(int, 1):
        ...     container.version
        1
        """
        return self._version

    def require(self, key: Any, wanted_by: str, *, parameter: str | None = None) -> None:
        """Declare that code outside the container needs a type. `check` checks it, and `start` builds it.

        `wanted_by` is the place for messages, such as `UserController.show(repo) at app.py:12`; `parameter` its name.

        >>> container = Container()
        >>> container.require(int, "UserController.show(number) at app.py:12")
        >>> print(container.check()[0].cause)
        Nobody provides int:
            UserController.show(number) at app.py:12
            -> int
        """
        keys = self._required.setdefault((wanted_by, parameter), [])
        if key not in keys:
            keys.append(key)
            self._problems = None

    def check(self) -> list[KickError]:
        """Return the errors of all registered and required types, each error once.

        >>> Container([Provider(int, value=1)]).check()
        []
        """
        if self._problems is None:
            check = Check(self._graph, self._advice)
            for (wanted_by, parameter), keys in self._required.items():
                for key in keys:
                    check.required(key, wanted_by, parameter=parameter)
            check.registered()
            self._problems = check.report()
        return list(self._problems)

    def provides(self, key: Any) -> bool:
        """Return true if a type has a provider. For `X | None` and `list[X]`, X must have one.

        >>> Container().provides(int | None), Container([Provider(int, value=1)]).provides(int | None)
        (False, True)
        """
        return bool(self._graph.find(key).recipes)

    def provided(self) -> list[Any]:
        """Return the types that have a provider. A `@Service` that is not listed counts if another type needs it.

        >>> Container([Provider(int, value=1)]).provided()
        [<class 'int'>]
        """
        return self._graph.provided()

    def lifetime(self, key: Any) -> Lifetime:
        """Return the lifetime of a type. Raises the errors of its providers.

        >>> Container([Provider(int, value=1)]).lifetime(int)
        <Lifetime.SINGLETON: 'singleton'>
        """
        return self._answer(key).lifetime

    def needs(self, key: Any, needed: Any) -> bool:
        """Return true if a type depends on another type, at any depth.

        >>> class Greeter:
        ...     def __init__(self, greeting: str) -> None: ...
        >>> container = Container([Provider(str, value="hello"), Greeter])
        >>> container.needs(Greeter, str), container.needs(Greeter, int)
        (True, False)
        """
        return bool(self._graph.dependents(self._graph.find(key).recipes, needed))

    def opens(self, key: Any) -> bool:
        """Return true if a type needs, at any depth, an object that is closed at the end of the request.

        >>> def open_file() -> Generator[bytes]:
        ...     yield b""
        >>> Container([open_file]).opens(bytes), Container([Provider(bytes, value=b"")]).opens(bytes)
        (True, False)
        """
        return any(map(self._graph.opens, self._graph.find(key).recipes))

    def parts_of(self, keys: Iterable[Any]) -> list[Any]:
        """Return the `detail` of each part of a seed that some types need, at any depth.

        >>> Container([Provider(int, value=1)]).parts_of([int])
        []
        """
        recipes = [recipe for key in keys for recipe in self._graph.find(key).recipes]
        return [part.detail for part in dict.fromkeys(part for recipe in recipes for part in self._graph.parts(recipe))]

    def factories_of(self, keys: Iterable[Any]) -> list[Any]:
        """Return the classes and functions that are called for each request that needs some types, at any depth.

        >>> from kick.di.provider import Service
        >>> @Service(scope="request")
        ... class Basket: ...
        >>> Container([Basket, Provider(int, value=1)]).factories_of([Basket, int])
        [<class '...Basket'>]
        """
        found: dict[Recipe, None] = {}
        left = [recipe for key in keys for recipe in self._graph.find(key).recipes]
        while left:
            recipe = left.pop()
            if recipe not in found and self._graph.shortest(recipe) is not Lifetime.SINGLETON:
                found[recipe] = None
                left += self._graph.below(recipe)
        return [each.factory for each in found if each.factory is not None]

    async def start(self) -> None:
        """Build all registered and required singletons, each after its dependencies.

        It may be called again, also concurrently; existing instances stay. If one fails, the instances that this call
        built are cleaned up in reverse order, and its exception is raised with a note that names it. Raises the errors
        that `check` finds.

        >>> import asyncio
        >>> asyncio.run(Container([Provider(int, value=1)]).start())
        """
        if self._singletons.is_locked or self._graph.awaits:
            async with self._singletons.lock:
                await self._start()
        else:  # no await, so no other task can run in between
            await self._start()

    async def _start(self) -> None:
        raise_all(self.check())
        wanted = [*(key for keys in self._required.values() for key in keys), *self._resolved]
        recipes = self._graph.singletons([*self._graph.roots(), *map(self._graph.find, wanted)])
        self._singletons.open()
        await self._singletons.build(recipes, self._planner)
        self._singletons.state = State.STARTED

    async def aclose(self) -> None:
        """Await the clean-ups of the singletons in reverse order.

        A failed clean-up does not stop the next one. Its exception is raised at the end, several as an
        `ExceptionGroup`. The container can be started again.

        >>> import asyncio
        >>> asyncio.run(Container().aclose())
        """
        async with self._singletons.lock:
            await self._singletons.aclose()

    @overload
    async def get(self, key: type[T]) -> T: ...
    @overload
    async def get(self, key: Any) -> Any: ...
    async def get(self, key: Any) -> Any:
        """Return the singleton of a type. If it does not exist, it is built with its dependencies.

        Raises `KickError`: `di-outside-scope` for a shorter lifetime, and the errors of the providers.

        >>> import asyncio
        >>> asyncio.run(Container([Provider(int, value=1)]).get(int))
        1
        """
        if self._answer(key).lifetime is not Lifetime.SINGLETON:
            raise outside_scope(key, self._answer(key).lifetime.value)
        return await self.resolve(key, self._singletons.root)

    @overload
    def instance(self, key: type[T]) -> T: ...
    @overload
    def instance(self, key: Any) -> Any: ...
    def instance(self, key: Any) -> Any:
        """Return the singleton of a type after the start.

        An instance that an override replaced is built now, unless its construction must be awaited.

        Raises `KickError`: `di-not-built` if it must be awaited, `di-not-started` before the start, and
        `di-outside-scope` for a shorter lifetime.

        >>> Container([Provider(int, value=1)]).instance(int)
        1
        """
        answer = self._answer(key)
        if answer.lifetime is not Lifetime.SINGLETON:
            raise outside_scope(key, answer.lifetime.value)
        self._singletons.build_now(key, answer.singletons, self._planner)
        return answer.plan.run(self._singletons.root)

    def resolver(self, key: Any) -> Resolver:
        """Return a coroutine function that resolves a type in a scope. It is valid until `version` changes.

        The next `start` builds the singletons that it needs.

        >>> import asyncio
        >>> container = Container([Provider(int, value=1)])
        >>> resolve = container.resolver(int)
        >>> asyncio.run(resolve(container.new_scope()))
        1
        """
        plan = self._planned(key)
        if plan.awaits:
            return plan.run
        run = plan.run

        async def resolve(scope: Scope) -> Any:
            return run(scope)

        return resolve

    def direct_resolver(self, key: Any) -> Callable[[Scope], Any] | None:
        """Return a plain function that resolves a type in a scope, or `None` if something must be awaited.

        >>> container = Container([Provider(int, value=1)])
        >>> resolve = container.direct_resolver(int)
        >>> resolve and resolve(container.new_scope())
        1
        """
        plan = self._planned(key)
        return None if plan.awaits else plan.run

    def scope(self, seeds: Mapping[Any, Any] | None = None) -> Scope:
        """Open a scope with `async with`, for a job, script or test.

        Raises `KickError`: `di-undeclared-seed` for a seed that was not declared.

        >>> import asyncio
        >>> async def job() -> int:
        ...     async with Container(seeds=[int]).scope({int: 7}) as scope:
        ...         return await scope.get(int)
        >>> asyncio.run(job())
        7
        """
        for key in seeds or ():
            if key not in self._graph.seeds:
                raise undeclared_seed(key)
        return Scope(self, seeds)

    def new_scope(self, seeds: Mapping[Any, Any] | None = None) -> Scope:
        """Return a scope without checks, for requests. The caller must call `await scope.aclose(error)`.

        >>> Container(seeds=[int]).new_scope({int: 7}).seeds
        {<class 'int'>: 7}
        """
        return Scope(self, seeds)

    async def resolve(self, key: Any, scope: Scope) -> Any:
        """Resolve a type in a scope, after building the singletons that it needs."""
        answer = self._answer(key)
        if self._singletons.lacks(answer.singletons):
            async with self._singletons.lock:
                await self._singletons.build(answer.singletons, self._planner)
        return await answer.plan.run(scope) if answer.plan.awaits else answer.plan.run(scope)

    def resource_among(self, scope: Scope, objects: Iterable[Any], *, brief: bool = False) -> Any | None:
        """Return the type of the first object that is closed at the end of a scope, or `None`.

        Such an object was yielded by a generator in this scope, or was built with one that was. With `brief`, only
        objects count that are closed when the handler has returned.
        """
        ids = {id(each) for each in objects if each is not None}
        recipes = [each for each, value in scope.values.items() if id(value) in ids and self._graph.closes(each)]
        return next((each.key for each in recipes if not brief or self._graph.is_brief(each)), None)

    def health_checks(self) -> list[tuple[str, Callable[[], Any]]]:
        """Return the health checks of providers by name. The result of a check may have to be awaited.

        >>> container = Container([Provider(int, value=1, health=lambda number: number > 0)])
        >>> [(name, ask()) for name, ask in container.health_checks()]
        [('int', True)]
        """
        checks: list[tuple[str, Callable[[], Any]]] = []
        for recipe in [each for root in self._graph.roots() for each in root.recipes]:
            if recipe.provider.health is not None:
                found = Found((recipe.key,), (recipe,))
                self._singletons.build_now(recipe.key, self._graph.singletons([found]), self._planner)
                instance = self._planner.found(found).run(self._singletons.root)
                checks.append((type_name(recipe.key), partial(recipe.provider.health, instance)))
        return checks

    @contextmanager
    def override(self, key: Any, replacement: T) -> Generator[T]:
        """Replace a type by an instance, or by the result of a `Provider`, until the `with` block ends.

        Singletons that depend on it, at any depth, are built again inside the block. After the block the earlier
        instances are used again. Singletons whose construction must be awaited are built by `start` or `get`. `aclose`
        awaits the clean-ups of instances from the block. Open scopes keep their instances. Overrides must end in
        reverse order. An override of `X` also replaces `X | None`, even if that has a provider of its own.

        Raises `KickError`: `di-override-by-class` for a class, `di-override-unused` for a type that nobody provides or
        asks for, and after the start also the errors that `check` finds.

        >>> container = Container([Provider(int, value=1)])
        >>> with container.override(int, 2):
        ...     container.instance(int)
        2
        >>> container.instance(int)
        1
        """
        hashed(key)
        if not self._graph.knows(key, [each for keys in self._required.values() for each in keys]):
            raise unused_override(key, self._near(key))
        with ExitStack() as stack:
            for each in self._graph.variants(key):
                stack.enter_context(self._replaced(each, replacement))
            if self._singletons.state is State.STARTED:
                raise_all(self.check())
            yield replacement

    @contextmanager
    def _replaced(self, key: Any, replacement: Any) -> Generator[None]:
        recipe = Recipe(_replacing(key, replacement))
        # Before the swap, because the dependents are those of the present graph.
        set_aside = self._singletons.set_dependents_aside(key)
        before, overridden = self._swap(key, recipe), self.overridden
        self.overridden = {**overridden, key: replacement}
        try:
            yield
        finally:
            self.overridden = overridden
            # While the override is still in place, because instances of the block depend on it.
            self._singletons.drop_dependents(key)
            self._swap(key, before)
            self._singletons.put_back(set_aside)

    def _near(self, key: Any) -> list[Any]:
        """Return the provided types whose names are similar to that of a type."""
        by_name = {type_name(each): each for each in self._graph.provided()}
        return [by_name[name] for name in similar(type_name(key), by_name)]

    def _planned(self, key: Any) -> Plan:
        self._resolved[key] = None
        return self._answer(key).plan

    def _answer(self, key: Any) -> _Answer:
        if hashed(key) not in self._answers:
            check = Check(self._graph, self._advice)
            check.required(key, "asked of the container")
            raise_all(check.report())
            found = self._graph.find(key)
            singletons = self._graph.singletons([found])
            self._answers[key] = _Answer(self._planner.found(found), self._lifetime(found), singletons)
        return self._answers[key]

    def _lifetime(self, found: Found) -> Lifetime:
        lifetimes = {self._graph.lifetime(recipe) for recipe in found.recipes}
        if lifetimes == {Lifetime.TRANSIENT}:
            return Lifetime.TRANSIENT
        limit = shortest(map(self._graph.shortest, found.recipes))
        return Lifetime.TRANSIENT if limit is Lifetime.SINGLETON and Lifetime.TRANSIENT in lifetimes else limit

    def _swap(self, key: Any, recipe: Recipe | None) -> Recipe | None:
        before = self._graph.swap(key, recipe)
        self._version += 1
        self._forget()
        return before

    def _forget(self) -> None:
        self._problems = None
        self._planner = Planner(self._graph, self._singletons.instances)
        self._answers: dict[Any, _Answer] = {}


def _replacing(key: Any, replacement: Any) -> Provider:
    """Return the override as a provider: it is a `Provider` or an instance."""
    if isinstance(replacement, Provider):
        provider = copy(replacement)
        provider.key = key
        return provider
    if isinstance(replacement, type) and type not in (key, get_origin(key)):
        raise override_by_class(key, replacement)  # pyright: ignore[reportUnknownArgumentType]
    return Provider(key, value=replacement)
