"""Dependency injection: what a class or function needs is passed to it, by type.

| name | is |
|---|---|
| `Service` | says how long what a class or function makes lives |
| `Provider` | says who stands behind a type |
| `Container` | checks the whole graph, builds, hands out, overrides |
| `Scope` | what lives as long as one request or job |
| `Lifetime` | singleton, request or transient |

The mistakes it reports are in `kick.di.errors`.
"""

from kick.di.container import Container, Resolver
from kick.di.provider import Provider
from kick.di.scope import Scope
from kick.di.service import Lifetime, ScopeName, Service

__all__ = ["Container", "Lifetime", "Provider", "Resolver", "Scope", "ScopeName", "Service"]
