"""OpenAPI: the document that describes an application, and its options."""

from typing import TYPE_CHECKING

from kick.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from kick.openapi.options import OpenAPI as OpenAPI
else:
    __all__ = lazy_exports(
        __name__,
        {
            "kick.openapi.options": ("OpenAPI",),
        },
    )
