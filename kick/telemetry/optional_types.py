"""Types of `prometheus_client` for annotations; it is imported when an annotation is evaluated."""

from typing import TYPE_CHECKING

from kick.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry as CollectorRegistry
else:
    __all__ = lazy_exports(__name__, {"prometheus_client": ("CollectorRegistry",)})
