"""Django on ASGI: async views, forms for validation, its sessions in its cache or its database."""

import logging
from urllib.parse import urlsplit
from uuid import uuid4

import django
from django import forms
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.utils.decorators import async_only_middleware

from benchmarks.apps.setting import CHUNK, CHUNKS, ROUTES, SECRET, STORE, VARIANT

CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
if STORE.startswith("redis"):
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": STORE}}
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": STORE.removeprefix("sqlite:///"),
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }
}
if STORE.startswith("postgresql"):
    address = urlsplit(STORE)
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": address.hostname,
            "PORT": address.port,
            "USER": address.username,
            "NAME": address.path[1:],
            "OPTIONS": {"pool": True},  # on ASGI in place of persistent connections, says its guide
        }
    }
WITH_DATABASE = STORE.startswith(("sqlite", "postgresql"))
MIDDLEWARE = {
    "session": ["django.contrib.sessions.middleware.SessionMiddleware"],
    "pipeline": ["django.middleware.security.SecurityMiddleware", "benchmarks.apps.with_django.name_requests"],
}
settings.configure(
    DEBUG=False,
    SECRET_KEY=SECRET,
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.sessions"] if VARIANT == "session" else [],
    MIDDLEWARE=MIDDLEWARE.get(VARIANT, []),
    CACHES=CACHES,
    DATABASES=DATABASES if WITH_DATABASE else {},
    SESSION_ENGINE=f"django.contrib.sessions.backends.{'db' if WITH_DATABASE else 'cache'}",
    SECURE_REFERRER_POLICY=None,
    SECURE_CROSS_ORIGIN_OPENER_POLICY=None,
)


class OrderForm(forms.Form):
    customer = forms.CharField()
    quantity = forms.IntegerField()
    price = forms.FloatField()
    express = forms.BooleanField(required=False)


class Items:
    def find(self, number: int) -> dict[str, object]:
        return {"id": number, "name": "a thing"}


items = Items()


async def hello(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"hello": "world"})


async def item(request: HttpRequest, number: int) -> JsonResponse:
    return JsonResponse(items.find(number))


async def order(request: HttpRequest) -> JsonResponse:
    import json

    form = OrderForm(json.loads(request.body))
    if not form.is_valid():
        return JsonResponse(form.errors, status=422)
    return JsonResponse(form.cleaned_data)


async def chunks():
    for _ in range(CHUNKS):
        yield CHUNK


async def stream(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(chunks(), content_type="text/plain")


async def theme(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"theme": request.COOKIES["theme"]})


@async_only_middleware
def name_requests(get_response):
    """A name for each request."""

    async def middleware(request):
        response = await get_response(request)
        response["X-Request-ID"] = uuid4().hex
        return response

    return middleware


async def login(request: HttpRequest) -> JsonResponse:
    await request.session.aset("user_id", 7)
    await request.session.aset("n", 0)
    return JsonResponse({"user_id": 7})


async def read(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"user_id": await request.session.aget("user_id")})


async def change(request: HttpRequest) -> JsonResponse:
    await request.session.aset("n", await request.session.aget("n") + 1)
    return JsonResponse({"user_id": await request.session.aget("user_id")})


async def count(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"n": await request.session.aget("n")})


def numbered(number: int):
    async def handler(request: HttpRequest) -> JsonResponse:
        return JsonResponse({"route": number})

    return handler


if VARIANT == "routes":
    urlpatterns = [path(f"route{number}", numbered(number)) for number in range(ROUTES)]
else:
    urlpatterns = [
        path("json", hello),
        path("items/<int:number>", item),
        path("orders", order),
        path("stream", stream),
        path("theme", theme),
        *(path(page.__name__, page) for page in (login, read, change, count)),
    ]

django.setup()
logging.getLogger("django.request").setLevel(logging.ERROR)
if VARIANT == "session" and WITH_DATABASE:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
app = get_asgi_application()
