"""What can be wrong with the wiring of an app: one class per mistake, each with the code that mends it.

    KickError
    ├── MissingProvider        nobody provides what is asked for
    ├── DependencyCycle        services that need each other
    ├── ScopeViolation         a singleton that holds what ends with a request
    ├── AmbiguousProvider      one is asked for, several are provided
    ├── MissingHint            a parameter without a type
    ├── UnresolvedHint         a type that is not there at run time
    ├── UnhashableKey          a qualifier that cannot be looked up
    ├── NotConstructible       an abstract class where a concrete one has to stand
    ├── MissingReturnHint      a provider function that does not say what it makes
    ├── GeneratorHint          a generator that does not say what it yields
    ├── ServiceNotCalled       @Service without parentheses
    ├── UnknownScope           @Service(scope="app")
    ├── ValueAndFactory        a Provider with both, or with neither
    ├── OverrideByClass        a class where an instance has to stand
    ├── NotStarted             an instance asked for before the start
    ├── NotBuilt               an instance that only an `await` can build
    ├── OutsideScope           a request-scoped thing asked for without a scope
    ├── ScopeClosed            a scope used after its end
    ├── SeedMissing            a scope opened without what it is to be handed
    ├── UndeclaredSeed         a scope handed what the container has not heard of
    ├── DidNotYield            a generator that ends before it yields
    └── YieldedTwice           a generator that goes on after its clean-up

Each takes the facts and builds cause and fix itself. Those about `health` are in `kick.di.health`.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Annotated, Any, get_origin

from typing_extensions import is_protocol

from kick.di.naming import factory_name, full_name, place_of, snake_name, type_name
from kick.errors import KickError


class MissingProvider(KickError):
    """Nobody provides what is asked for.

    `chain` leads from the one who asks first, over the parameter that cannot be filled, to what it asks for; `near`
    holds provided types of similar names, `implementation` a provided type that would do; `advice` is the fix where
    no provider is one.

    >>> MissingProvider(int, "port", chain=["Server(port) at app.py:3", "int"]).fix
    'Give the value a key of its own: `Provider(Annotated[int, "port"], value=...)`, and ask for it: `port: \
Annotated[int, "port"]`.'
    """

    code = "di-missing-provider"

    def __init__(
        self,
        key: Any,
        parameter: str | None,
        *,
        chain: Sequence[str],
        near: Sequence[Any] = (),
        implementation: Any = None,
        advice: str | None = None,
    ) -> None:
        name = type_name(key)
        cause = f"Nobody provides {name}:{_arrows(chain)}"
        if near:
            names = [full_name(other) if type_name(other) == name else type_name(other) for other in near]
            cause += f"\n  Provided under a similar name: {', '.join(names)}."
        super().__init__(cause, advice or _provide(key, parameter or snake_name(type_name(key)), implementation))


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


class DependencyCycle(KickError):
    """Services that need each other, so that none can be built first; `names` are the types in the cycle.

    >>> print(DependencyCycle(["Chicken(egg) at farm.py:1", "Egg(chicken) at farm.py:5"], ["Chicken", "Egg"]).cause)
    Chicken and Egg need each other:
        Chicken(egg) at farm.py:1
        -> Egg(chicken) at farm.py:5
        -> Chicken
    """

    code = "di-cycle"

    def __init__(self, chain: Sequence[str], names: Sequence[str]) -> None:
        who = f"{' and '.join(names)} need each other" if len(names) > 1 else f"{names[0]} needs itself"
        super().__init__(
            f"{who}:{_arrows([*chain, names[0]])}",
            "Move what they share into a service of its own and let each take that: `@Service()\nclass Shared: ...`",
        )


class ScopeViolation(KickError):
    """A singleton that needs what ends with a request; `factory` stands in a `Provider` that says its scope.

    >>> ScopeViolation("Mailer", "User", ["Mailer(user) at app.py:3"]).fix
    'Let Mailer live as long: `@Service(scope="request")`; or take User as a parameter of the handler: `user: User`.'
    """

    code = "di-scope"

    def __init__(self, holder: str, held: str, chain: Sequence[str], *, factory: str | None = None) -> None:
        shorter = f'Provider({holder}, {factory}, scope="request")' if factory else '@Service(scope="request")'
        super().__init__(
            f"{holder} lives as long as the app, but {held} only as long as a request:{_arrows([*chain, held])}",
            f"Let {holder} live as long: `{shorter}`; or take {held} as a parameter of the handler: "
            f"`{snake_name(held)}: {held}`.",
        )


class AmbiguousProvider(KickError):
    """One is asked for, several are provided; `providers` says which and where, `first` is the code of one.

    >>> AmbiguousProvider(int, "port", ["a at x.py:1", "b at y.py:2"], chain=["Server(port)"], first="a").fix
    'Take all of them: `port: list[int]`; or tell them apart: `Provider(Annotated[int, "a"], a)` and \
`port: Annotated[int, "a"]`.'
    """

    code = "di-ambiguous"

    def __init__(
        self, key: Any, parameter: str | None, providers: Sequence[str], *, chain: Sequence[str], first: str
    ) -> None:
        name = type_name(key)
        parameter = parameter or snake_name(name)
        own = f'Annotated[{name}, "{snake_name(first)}"]'
        super().__init__(
            f"{name} is provided {len(providers)} times, by {' and '.join(providers)}, and one is asked for:"
            f"{_arrows([*chain, name])}",
            f"Take all of them: `{parameter}: list[{name}]`; or tell them apart: `Provider({own}, {first})` "
            f"and `{parameter}: {own}`.",
        )


class MissingHint(KickError):
    """A parameter with neither a type nor a default; `guess` is a provided type whose name fits.

    >>> MissingHint("Mailer(clock) at app.py:3", "clock", guess="Clock").fix
    'Write the type it needs: `clock: Clock`.'
    """

    code = "di-missing-hint"

    def __init__(self, where: str, parameter: str, *, guess: str | None) -> None:
        super().__init__(
            f"The parameter {parameter} of {where} has no type, so nothing says what to pass.",
            f"Write the type it needs: `{parameter}: {guess or 'YourType'}`.",
        )


class UnresolvedHint(KickError):
    """A type that cannot be evaluated at run time; `statement` is its import, where there is one.

    >>> UnresolvedHint("Mailer(clock) at app.py:3", "Clock", "NameError: ...", statement="from clocks import Clock").fix
    'Import it at run time, not under `if TYPE_CHECKING:` only: `from clocks import Clock`'
    """

    code = "di-unresolved-hint"

    def __init__(self, where: str, hint: str, reason: str, *, statement: str | None) -> None:
        if statement:
            fix = f"Import it at run time, not under `if TYPE_CHECKING:` only: `{statement}`"
        else:
            fix = (
                "Define or import the name at the top level of the module; a name local to a function is found "
                "only without `from __future__ import annotations`."
            )
        super().__init__(f"The type {hint} of {where} cannot be found at run time ({reason}).", fix)


class UnhashableKey(KickError):
    """A qualifier that cannot be looked up.

    >>> UnhashableKey(Annotated[int, ["port"]]).fix
    'Qualify it by something hashable, such as a string: `Annotated[int, "port"]`.'
    """

    code = "di-unhashable-key"

    def __init__(self, key: Any, where: str | None = None) -> None:
        inner = type_name(key.__origin__ if get_origin(key) is Annotated else key)
        words = snake_name("_".join(map(str, getattr(key, "__metadata__", ("name",)))))
        super().__init__(
            f"{type_name(key)}{f' of {where}' if where else ''} is not hashable and cannot be a key.",
            f'Qualify it by something hashable, such as a string: `Annotated[{inner}, "{words}"]`.',
        )


class NotConstructible(KickError):
    """An abstract class or protocol where a concrete class has to stand.

    >>> from collections.abc import Sized
    >>> NotConstructible(Sized).fix
    'Name the class that implements it: `Provider(Sized, YourSized)`.'
    """

    code = "di-not-constructible"

    def __init__(self, key: Any) -> None:
        name = type_name(key)
        super().__init__(
            f"{name} at {place_of(key)} is abstract: no instance of it can be built.",
            f"Name the class that implements it: `Provider({name}, Your{name.rpartition('.')[2]})`.",
        )


class MissingReturnHint(KickError):
    """A provider function that does not say what it makes.

    >>> def connect(): ...
    >>> MissingReturnHint(connect).fix
    'Write the type after the arrow, `def connect(...) -> YourType`; or name it: `Provider(YourType, connect)`.'
    """

    code = "di-missing-return-hint"

    def __init__(self, function: Any) -> None:
        name = factory_name(function)
        super().__init__(
            f"The provider {name} at {place_of(function)} does not say which type it makes.",
            f"Write the type after the arrow, `def {name}(...) -> YourType`; or name it: `Provider(YourType, {name})`.",
        )


class GeneratorHint(KickError):
    """A generator that does not say what it yields; `iterator` is `Iterator` or `AsyncIterator`.

    >>> def connect() -> int: ...
    >>> GeneratorHint(connect, int, "Iterator").fix
    'Say what it yields: `def connect(...) -> Iterator[int]`.'
    """

    code = "di-generator-hint"

    def __init__(self, function: Any, hint: Any, iterator: str) -> None:
        name = factory_name(function)
        super().__init__(
            f"The provider {name} at {place_of(function)} is a generator, and {type_name(hint)} does not say "
            "what it yields.",
            f"Say what it yields: `{'async ' * (iterator != 'Iterator')}def {name}(...) -> "
            f"{iterator}[{type_name(hint)}]`.",
        )


class ServiceNotCalled(KickError):
    """`@Service` without parentheses.

    >>> ServiceNotCalled(int).fix
    'Write the parentheses: `@Service()`.'
    """

    code = "di-service-not-called"

    def __init__(self, service: Any) -> None:
        super().__init__(
            f"@Service stands without parentheses on {factory_name(service)} at {place_of(service)}.",
            "Write the parentheses: `@Service()`.",
        )


class UnknownScope(KickError):
    """A scope that does not exist.

    >>> UnknownScope("app", ["singleton", "request"]).fix
    'Use one of them: `scope="singleton"`, `scope="request"`.'
    """

    code = "di-unknown-scope"

    def __init__(self, scope: Any, known: Sequence[str]) -> None:
        names = ", ".join(f'`scope="{name}"`' for name in known)
        super().__init__(f"There is no scope {scope!r}.", f"Use one of them: {names}.")


class ValueAndFactory(KickError):
    """A `Provider` with both a value and a factory, or with neither where the key cannot be called.

    >>> ValueAndFactory(int | str, given=0).fix
    'Give it one of them: `Provider(int | str, value=...)`.'
    """

    code = "di-value-and-factory"

    def __init__(self, key: Any, given: int) -> None:
        name = type_name(key)
        super().__init__(
            f"The provider of {name} has {'more than a value' if given else 'neither a value nor anything to call'}.",
            f"Give it one of them: `Provider({name}, value=...)`.",
        )


class OverrideByClass(KickError):
    """An override by a class, which would be handed out in place of an instance.

    >>> OverrideByClass(float, int).fix
    'Pass an instance, or have one built: `Provider(float, int)`.'
    """

    code = "di-override-by-class"

    def __init__(self, key: Any, replacement: Any) -> None:
        name = type_name(replacement)
        super().__init__(
            f"The override of {type_name(key)} is the class {name}, not an instance of it.",
            f"Pass an instance, or have one built: `Provider({type_name(key)}, {name})`.",
        )


class NotStarted(KickError):
    """An instance asked for before the start, or after the end.

    >>> NotStarted(int).fix
    'Start it first: `await container.start()`.'
    """

    code = "di-not-started"

    def __init__(self, key: Any) -> None:
        super().__init__(
            f"{type_name(key)} was asked for, but the app has not started.",
            "Start it first: `await container.start()`.",
        )


class NotBuilt(KickError):
    """An instance that only an `await` can build: nobody required it before the start, or an override is new.

    >>> NotBuilt(int).fix
    'Build what is new: `await container.start()`; or ask for it there: `await container.get(int)`.'
    """

    code = "di-not-built"

    def __init__(self, key: Any) -> None:
        name = type_name(key)
        super().__init__(
            f"{name} is not built yet, and building it needs an `await`.",
            f"Build what is new: `await container.start()`; or ask for it there: `await container.get({name})`.",
        )


class OutsideScope(KickError):
    """What lives in a scope was asked for from the container.

    >>> OutsideScope(int, "request").fix
    'Ask in a scope: `async with container.scope() as scope: await scope.get(int)`.'
    """

    code = "di-outside-scope"

    def __init__(self, key: Any, lifetime: str) -> None:
        name = type_name(key)
        super().__init__(
            f"{name} is {lifetime}-scoped and was asked for outside any scope.",
            f"Ask in a scope: `async with container.scope() as scope: await scope.get({name})`.",
        )


class ScopeClosed(KickError):
    """A scope used after its end.

    >>> ScopeClosed(int).fix
    'Ask while it is open: `async with container.scope() as scope: await scope.get(int)`.'
    """

    code = "di-scope-closed"

    def __init__(self, key: Any) -> None:
        name = type_name(key)
        super().__init__(
            f"{name} was asked for in a scope that is closed.",
            f"Ask while it is open: `async with container.scope() as scope: await scope.get({name})`.",
        )


class SeedMissing(KickError):
    """A scope opened without what it has to be handed from outside.

    >>> SeedMissing(int).fix
    'Hand it over when the scope is opened: `container.scope({int: ...})`.'
    """

    code = "di-seed-missing"

    def __init__(self, key: Any) -> None:
        name = type_name(key)
        super().__init__(
            f"{name} is needed in a scope that was opened without one.",
            f"Hand it over when the scope is opened: `container.scope({{{name}: ...}})`.",
        )


class UndeclaredSeed(KickError):
    """A scope handed something of which the container has not been told, so that nobody would get it.

    >>> UndeclaredSeed(int).fix
    'Declare it with the container: `Container(seeds=[int])`.'
    """

    code = "di-undeclared-seed"

    def __init__(self, key: Any) -> None:
        name = type_name(key)
        super().__init__(
            f"A scope was handed {name}, which is not among the container's seeds.",
            f"Declare it with the container: `Container(seeds=[{name}])`.",
        )


class DidNotYield(KickError):
    """A generator that ended before it yielded.

    >>> def connect(): yield
    >>> DidNotYield(connect).fix
    'Yield what it makes, once and on every way through: `yield value`.'
    """

    code = "di-did-not-yield"

    def __init__(self, function: Any) -> None:
        super().__init__(
            f"The provider {factory_name(function)} at {place_of(function)} ended without a yield.",
            "Yield what it makes, once and on every way through: `yield value`.",
        )


class YieldedTwice(KickError):
    """A generator that yields again where its clean-up should end; `name` and `place` say which.

    >>> YieldedTwice("connect", "app.py:3").cause
    'The provider connect at app.py:3 yielded a second time.'
    """

    code = "di-yielded-twice"

    def __init__(self, name: str, place: str) -> None:
        super().__init__(
            f"The provider {name} at {place} yielded a second time.",
            "Yield once; what follows is the clean-up: `yield value`.",
        )


def is_abstract(key: Any) -> bool:
    """Whether a type is a protocol or has abstract methods.

    >>> from collections.abc import Sized
    >>> is_abstract(Sized), is_abstract(int)
    (True, False)
    """
    return isinstance(key, type) and (inspect.isabstract(key) or is_protocol(key))


def _arrows(steps: Sequence[str]) -> str:
    return "\n    " + "\n    -> ".join(steps)
