"""Errors of dependency injection: one function for each mistake, which returns a `KickError` with a fix."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, get_origin

from typing_extensions import is_protocol

from kick.di.naming import factory_name, full_name, place_of, snake_name, type_name
from kick.errors import KickError


def missing_provider(
    key: Any,
    parameter: str | None,
    *,
    chain: Sequence[str],
    near: Sequence[Any] = (),
    implementation: Any = None,
    advice: str | None = None,
) -> KickError:
    """Return the error for a type that nobody provides.

    `chain` leads from the first dependent, over the parameter that cannot be injected, to the missing type. `near` are
    provided types with similar names. `implementation` is a provided type that fits. `advice` is the fix if a provider
    would not help.

    >>> missing_provider(int, "port", chain=["Server(port) at app.py:3", "int"]).fix
    'Give the value a key of its own: `Provider(Annotated[int, "port"], value=...)`, and ask for it: `port: \
Annotated[int, "port"]`.'
    """
    name = type_name(key)
    cause = f"Nobody provides {name}:{_arrows(chain)}"
    if near:
        names = [full_name(other) if type_name(other) == name else type_name(other) for other in near]
        cause += f"\n  Provided under a similar name: {', '.join(names)}."
    return KickError(
        "di-missing-provider", cause, advice or _provide(key, parameter or snake_name(type_name(key)), implementation)
    )


def _provide(key: Any, parameter: str, implementation: Any) -> str:
    name = type_name(key)
    if implementation is not None:
        return f"Provide it under the type that is asked for: `Provider({name}, {type_name(implementation)})`."
    if get_origin(key) is Annotated:
        return f"Provide it under this qualifier: `Provider({name}, {type_name(key.__origin__)})`."
    if not isinstance(key, type) or get_origin(key) is not None:
        return f"Provide one: `Provider({name}, value=...)`."
    if key.__module__ == "builtins":
        own = f'Annotated[{name}, "{parameter}"]'
        return f"Give the value a key of its own: `Provider({own}, value=...)`, and ask for it: `{parameter}: {own}`."
    if is_abstract(key):
        return f"Provide a class that implements it: `Provider({name}, Your{name.rpartition('.')[2]})`."
    return f"List it: `providers=[{name}]`; or mark the class: `@Service()`."


def dependency_cycle(chain: Sequence[str], names: Sequence[str]) -> KickError:
    """Return the error for a circular dependency; `names` are its types.

    >>> print(dependency_cycle(["Chicken(egg) at farm.py:1", "Egg(chicken) at farm.py:5"], ["Chicken", "Egg"]).cause)
    Chicken and Egg need each other:
        Chicken(egg) at farm.py:1
        -> Egg(chicken) at farm.py:5
        -> Chicken
    """
    who = f"{' and '.join(names)} need each other" if len(names) > 1 else f"{names[0]} needs itself"
    return KickError(
        "di-cycle",
        f"{who}:{_arrows([*chain, names[0]])}",
        "Move what they share into a service of its own and let each take that: `@Service()\nclass Shared: ...`",
    )


@dataclass(frozen=True, slots=True)
class Lived:
    """A type with its lifetime, for messages.

    `factory` is the code in its `Provider`, or `None` if `@Service` belongs on the class or function. `may_stay` is
    true if it could live as long as the application.
    """

    name: str
    lifetime: str
    factory: str | None = None
    may_stay: bool = False

    def scoped(self, scope: str) -> str:
        """Return the code that states a scope.

        >>> Lived("User", "request").scoped("handler"), Lived("User", "request", "load").scoped("handler")
        ('@Service(scope="handler")', 'Provider(User, load, scope="handler")')
        """
        stated = f'scope="{scope}"'
        return f"Provider({self.name}, {self.factory}, {stated})" if self.factory else f"@Service({stated})"


_LIVES: Final = {
    "singleton": "as long as the app",
    "request": "as long as a request",
    "handler": "until the handler has returned",
}


def scope_violation(holder: Lived, held: Lived, chain: Sequence[str]) -> KickError:
    """Return the error for a type with a dependency that lives shorter."""
    parameter = held.name if ": " in held.name else f"{snake_name(held.name)}: {held.name}"
    fixes = [
        f"Let {holder.name} live as long: `{holder.scoped(held.lifetime)}`",
        f"or take {held.name} as a parameter of the handler: `{parameter}`",
    ]
    if held.may_stay and holder.lifetime == "singleton":
        fixes.append(f"or let {held.name} live as long as the app: `{held.scoped('singleton')}`")
    return KickError(
        "di-scope",
        f"{holder.name} lives {_LIVES[holder.lifetime]}, but {held.name} only {_LIVES[held.lifetime]}:"
        f"{_arrows([*chain, held.name])}",
        f"{'; '.join(fixes)}.",
    )


def ambiguous_provider(
    key: Any, parameter: str | None, providers: Sequence[str], *, chain: Sequence[str], first: str
) -> KickError:
    """Return the error for several providers where one is needed; `first` is the code of one of them."""
    name = type_name(key)
    parameter = parameter or snake_name(name)
    own = f'Annotated[{name}, "{snake_name(first)}"]'
    return KickError(
        "di-ambiguous",
        f"{name} is provided {len(providers)} times, by {' and '.join(providers)}, and one is asked for:"
        f"{_arrows([*chain, name])}",
        f"Take all of them: `{parameter}: list[{name}]`; or tell them apart: `Provider({own}, {first})` "
        f"and `{parameter}: {own}`.",
    )


def missing_hint(where: str, parameter: str, *, guess: str | None) -> KickError:
    """Return the error for a parameter without type and default; `guess` is a provided type with a fitting name."""
    return KickError(
        "di-missing-hint",
        f"The parameter {parameter} of {where} has no type, so nothing says what to pass.",
        f"Write the type it needs: `{parameter}: {guess or 'YourType'}`.",
    )


def unresolved_hint(where: str, hint: str, reason: str, *, statement: str | None) -> KickError:
    """Return the error for a type that does not exist at run time; `statement` is its import, if known."""
    if statement:
        fix = f"Import it at run time, not under `if TYPE_CHECKING:` only: `{statement}`"
    else:
        fix = (
            "Define or import the name at the top level of the module; a name local to a function is found "
            "only without `from __future__ import annotations`."
        )
    return KickError("di-unresolved-hint", f"The type {hint} of {where} cannot be found at run time ({reason}).", fix)


def unhashable_key(key: Any, where: str | None = None) -> KickError:
    """Return the error for a qualifier that is not hashable."""
    inner = type_name(key.__origin__ if get_origin(key) is Annotated else key)
    words = snake_name("_".join(map(str, getattr(key, "__metadata__", ("name",)))))
    return KickError(
        "di-unhashable-key",
        f"{type_name(key)}{f' of {where}' if where else ''} is not hashable and cannot be a key.",
        f'Qualify it by something hashable, such as a string: `Annotated[{inner}, "{words}"]`.',
    )


def not_constructible(key: Any) -> KickError:
    """Return the error for an abstract class or protocol that should be built."""
    name = type_name(key)
    return KickError(
        "di-not-constructible",
        f"{name} at {place_of(key)} is abstract: no instance of it can be built.",
        f"Name the class that implements it: `Provider({name}, Your{name.rpartition('.')[2]})`.",
    )


def missing_return_hint(function: Any) -> KickError:
    """Return the error for a provider function without a return type."""
    name = factory_name(function)
    return KickError(
        "di-missing-return-hint",
        f"The provider {name} at {place_of(function)} does not say which type it makes.",
        f"Write the type after the arrow, `def {name}(...) -> YourType`; or name it: `Provider(YourType, {name})`.",
    )


def generator_hint(function: Any, hint: Any, iterator: str) -> KickError:
    """Return the error for a generator without a yield type; `iterator` is `Iterator` or `AsyncIterator`."""
    name = factory_name(function)
    return KickError(
        "di-generator-hint",
        f"The provider {name} at {place_of(function)} is a generator, and {type_name(hint)} does not say "
        "what it yields.",
        f"Say what it yields: `{'async ' * (iterator != 'Iterator')}def {name}(...) -> {iterator}[{type_name(hint)}]`.",
    )


def service_not_called(service: Any) -> KickError:
    """Return the error for `@Service` without parentheses."""
    return KickError(
        "di-service-not-called",
        f"@Service is written without parentheses on {factory_name(service)} at {place_of(service)}.",
        "Write the parentheses: `@Service()`.",
    )


def unknown_scope(scope: Any, known: Sequence[str]) -> KickError:
    """Return the error for an unknown scope."""
    names = ", ".join(f'`scope="{name}"`' for name in known)
    return KickError("di-unknown-scope", f"There is no scope {scope!r}.", f"Use one of them: {names}.")


def value_and_factory(key: Any, given: int) -> KickError:
    """Return the error for a `Provider` with a value and a factory, or with neither if the key is not callable."""
    name = type_name(key)
    return KickError(
        "di-value-and-factory",
        f"The provider of {name} has {'more than a value' if given else 'neither a value nor anything to call'}.",
        f"Give it one of them: `Provider({name}, value=...)`.",
    )


def override_by_class(key: Any, replacement: Any) -> KickError:
    """Return the error for an override by a class, which would be injected instead of an instance."""
    name = type_name(replacement)
    return KickError(
        "di-override-by-class",
        f"The override of {type_name(key)} is the class {name}, not an instance of it.",
        f"Pass an instance, or have one built: `Provider({type_name(key)}, {name})`.",
    )


def unused_override(key: Any, near: Sequence[Any]) -> KickError:
    """Return the error for an override that would have no effect."""
    name = type_name(key)
    provided = f" Provided under a similar name: {', '.join(map(type_name, near))}." if near else ""
    return KickError(
        "di-override-unused",
        f"The override of {name} has no effect: nobody provides {name}, and nobody asks for it.{provided}",
        "Override the type that is asked for: that of the parameter, or the first argument of its `Provider(...)`.",
    )


def not_started(key: Any) -> KickError:
    """Return the error for an instance that is requested before the start or after the end."""
    return KickError(
        "di-not-started",
        f"{type_name(key)} was asked for, but the app has not started.",
        "Start it first: `await container.start()`.",
    )


def not_built(key: Any) -> KickError:
    """Return the error for an instance that is not built, and whose construction must be awaited."""
    name = type_name(key)
    return KickError(
        "di-not-built",
        f"{name} is not built yet, and building it needs an `await`.",
        f"Build what is new: `await container.start()`; or ask for it there: `await container.get({name})`.",
    )


def outside_scope(key: Any, lifetime: str) -> KickError:
    """Return the error for a scoped type that is requested from the container."""
    name = type_name(key)
    return KickError(
        "di-outside-scope",
        f"{name} is {lifetime}-scoped and was asked for outside any scope.",
        f"Ask in a scope: `async with container.scope() as scope: await scope.get({name})`.",
    )


def closed_scope(key: Any) -> KickError:
    """Return the error for a scope that is used after its end."""
    name = type_name(key)
    return KickError(
        "di-scope-closed",
        f"{name} was asked for in a scope that is closed.",
        f"Ask while it is open: `async with container.scope() as scope: await scope.get({name})`.",
    )


def missing_seed(key: Any) -> KickError:
    """Return the error for a scope without one of its seeds."""
    name = type_name(key)
    return KickError(
        "di-seed-missing",
        f"{name} is needed in a scope that was opened without one.",
        f"Hand it over when the scope is opened: `container.scope({{{name}: ...}})`.",
    )


def undeclared_seed(key: Any) -> KickError:
    """Return the error for a scope with a seed that the container does not know."""
    name = type_name(key)
    return KickError(
        "di-undeclared-seed",
        f"A scope was handed {name}, which is not among the container's seeds.",
        f"Declare it with the container: `Container(seeds=[{name}])`.",
    )


def did_not_yield(function: Any) -> KickError:
    """Return the error for a generator that ended before it yielded."""
    return KickError(
        "di-did-not-yield",
        f"The provider {factory_name(function)} at {place_of(function)} ended without a yield.",
        "Yield what it makes, once and on every way through: `yield value`.",
    )


def yielded_twice(name: str, place: str) -> KickError:
    """Return the error for a generator that yields a second time."""
    return KickError(
        "di-yielded-twice",
        f"The provider {name} at {place} yielded a second time.",
        "Yield once; what follows is the clean-up: `yield value`.",
    )


def is_abstract(key: Any) -> bool:
    """Return true if a type is a protocol or has abstract methods.

    >>> from collections.abc import Sized
    >>> is_abstract(Sized), is_abstract(int)
    (True, False)
    """
    return isinstance(key, type) and (inspect.isabstract(key) or is_protocol(key))


def _arrows(steps: Sequence[str]) -> str:
    return "\n    " + "\n    -> ".join(steps)


def bad_health(key: Any, given: object) -> KickError:
    """Return the error for a `health` that is not callable."""
    name = type_name(key)
    return KickError(
        "di-health",
        f"health={given!r} of the provider of {name} cannot be called.",
        f"Pass a function of the instance, which raises when it is not well: `health={name}.ping`.",
    )


def health_check_of_scoped(
    key: Any, lifetime: str, provider: str, without: str, *, longer: str | None = None
) -> KickError:
    """Return the error for a `health` of a type that lives shorter than the application.

    `without` is the code of the provider without it, `longer` that of one that lives as long as the application.
    """
    return KickError(
        "di-health-scope",
        f"{provider} has health=, but its {type_name(key)} has the scope {lifetime!r}: between requests there is "
        "none that could be asked.",
        f"Let it live as long as the app: `{longer}`."
        if longer
        else f"Leave it out: `{without}`. Ask what it is made from, if that lives as long as the app.",
    )
