"""Singletons: the instances that live as long as the application."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from functools import cached_property
from traceback import format_exception
from typing import Any

import anyio

from kick.di.errors import not_built, not_started
from kick.di.graph import Graph
from kick.di.naming import type_name
from kick.di.plan import Planner
from kick.di.recipe import Recipe
from kick.di.scope import Resolving, Scope, raise_failures, shielded_from, unwind


class State(Enum):
    """The state of an application. Before the start, singletons are built on demand; after the end, not at all."""

    NEW = "new"
    STARTED = "started"
    CLOSED = "closed"


class Singletons:
    """Builds singletons one after the other, and cleans them up in reverse order.

    A task must hold the `lock` to change the instances or to await.

    >>> Singletons(None, Graph([], seeds=())).state
    <State.NEW: 'new'>
    """

    def __init__(self, container: Resolving, graph: Graph) -> None:
        self.state = State.NEW
        self.instances: dict[Recipe, Any] = {}
        self.root = Scope(container)
        self._container = container
        self._graph = graph
        # Overrides may be nested, so there is one mapping for each.
        self._set_aside: list[dict[Recipe, Any]] = []

    @cached_property
    def lock(self) -> anyio.Lock:
        """The lock, created on first use, because it loads the backend of anyio (nearly 1 MiB)."""
        return anyio.Lock()

    @property
    def is_locked(self) -> bool:
        """True while a task holds the lock."""
        return "lock" in vars(self) and self.lock.locked()

    def open(self) -> None:
        """Allow building singletons again after the end."""
        if self.state is State.CLOSED:
            self.state = State.NEW

    def lacks(self, recipes: Iterable[Recipe]) -> bool:
        """Return true if one of these singletons does not exist yet."""
        return any(recipe not in self.instances for recipe in recipes)

    async def build(self, recipes: Iterable[Recipe], planner: Planner) -> None:
        """Build the missing singletons in this order. If one fails, none is kept."""
        if self.state is State.CLOSED:
            raise not_started(next(iter(recipes)).key)
        built: list[Recipe] = []
        mark = len(self.root.cleanups or ())
        for recipe in recipes:
            if recipe not in self.instances:
                try:
                    self.instances[recipe] = await self._make(recipe, planner)
                except BaseException as error:
                    error.add_note(_failed(recipe))
                    for each in built:
                        del self.instances[each]
                    await self._unwind(mark, error)
                    raise
                built.append(recipe)

    async def _make(self, recipe: Recipe, planner: Planner) -> Any:
        plan = planner.build(recipe)
        return await plan.run(self.root) if plan.awaits else plan.run(self.root)

    async def _unwind(self, mark: int, error: BaseException) -> None:
        """Clean up the singletons that were built since a mark. Failures are noted on the original error."""
        cleanups = (self.root.cleanups or [])[mark:]
        del (self.root.cleanups or [])[mark:]
        with shielded_from(error):
            # The generators do not see the error: it is not theirs, and their code after the `yield` must run.
            for failure in await unwind(cleanups, None, nested=False):
                error.add_note("kick: and then in a clean-up\n" + "".join(format_exception(failure)))

    def build_now(self, key: Any, recipes: Iterable[Recipe], planner: Planner) -> None:
        """Build the missing singletons if this needs no `await`. `key` is the requested type."""
        for recipe in recipes:
            if recipe not in self.instances:
                if self.state is not State.STARTED:
                    raise not_started(key)
                plan = planner.build(recipe)
                # While another task builds, this recipe may be half built there.
                if plan.awaits or self.is_locked:
                    raise not_built(key)
                try:
                    self.instances[recipe] = plan.run(self.root)
                except Exception as error:
                    error.add_note(_failed(recipe))
                    raise

    def set_dependents_aside(self, key: Any) -> dict[Recipe, Any]:
        """Set aside the singletons that depend on a key, until `put_back`."""
        dependents = self._graph.dependents(list(self.instances), key)
        self._set_aside.append({recipe: self.instances.pop(recipe) for recipe in dependents})
        return self._set_aside[-1]

    def put_back(self, set_aside: dict[Recipe, Any]) -> None:
        """Restore the singletons that were set aside."""
        self._set_aside = [each for each in self._set_aside if each is not set_aside]
        self.instances.update(set_aside)

    def drop_dependents(self, key: Any) -> None:
        """Drop the singletons that depend on a key. They are cleaned up at the end."""
        for recipe in self._graph.dependents(list(self.instances), key):
            del self.instances[recipe]

    async def aclose(self) -> None:
        """Drop all singletons and await the clean-ups. Raises one exception, or several as an `ExceptionGroup`."""
        # A new root first: the container may be started again, even after a clean-up has failed.
        root, self.root, self.state = self.root, Scope(self._container), State.CLOSED
        for instances in (self.instances, *self._set_aside):
            instances.clear()
        root.closed = True
        cleanups, root.cleanups = root.cleanups or [], None
        raise_failures(await unwind(cleanups, None, nested=False))


def _failed(recipe: Recipe) -> str:
    return f"kick: in the provider {recipe}, which provides {type_name(recipe.key)}"
