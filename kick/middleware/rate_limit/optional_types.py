"""Types of the library `limits` for annotations; it is imported when an annotation is evaluated.

>>> import typing
>>> from kick.middleware import rate_limit
>>> typing.get_type_hints(rate_limit)["store"]
str | limits.aio.storage.base.Storage | None
"""

from typing import TYPE_CHECKING

from kick.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from limits.aio.storage import Storage as Storage
else:
    __all__ = lazy_exports(__name__, {"limits.aio.storage": ("Storage",)})
