"""Dependency injection: dependencies are passed to classes and functions by their types.

| name | purpose |
|---|---|
| `Service` | sets the scope of a class or provider function |
| `Provider` | registers a factory or value for a type |
| `Container` | checks the dependency graph, builds instances, overrides them |
| `Scope` | the instances of one request or job |
| `Scopes` | opens scopes for streams, WebSockets and background work |
| `Lifetime` | singleton, request, handler or transient |

Its errors are in `kick.di.errors`.
"""

from kick.di.container import Container, Resolver
from kick.di.lifetime import Lifetime, ScopeName
from kick.di.provider import Provider, Service
from kick.di.scope import Scope, Scopes

__all__ = ["Container", "Lifetime", "Provider", "Resolver", "Scope", "ScopeName", "Scopes", "Service"]
