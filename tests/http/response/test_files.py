"""Files, downloads and their names."""

import errno
import os
import re
import socket
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_to_bytes, urlsplit

import anyio
import httpx2
import pytest

from kick import App, Controller, Get, NotFound, RequestContext
from kick.http.response.files import MOST_RANGES, below, content_disposition, open_file, ranges, safe_name
from kick.middleware import security_headers
from tests.http.response.conftest import Refuse
from tests.http.support import Answer, app_of, ask
from tests.support.costs import assert_costs_at_most
from tests.support.serving import Serve

TEXT = b"0123456789"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = tmp_path / "files"
    (files / "sub").mkdir(parents=True)
    (files / "numbers.txt").write_bytes(TEXT)
    (files / "sub" / "inner.txt").write_bytes(b"inner")
    (files / "empty.txt").write_bytes(b"")
    (tmp_path / "secret.txt").write_bytes(b"secret")
    (tmp_path / "files-too").mkdir()
    (tmp_path / "files-too" / "secret.txt").write_bytes(b"secret")
    (files / "out").symlink_to(tmp_path / "secret.txt")
    (files / "loop").symlink_to(files / "loop")
    (files / "in").symlink_to(files / "numbers.txt")
    return files


def sending(folder: Path, middleware: Any = ()) -> App:
    @Controller()
    class Files:
        @Get("/{name:path}")
        async def show(self, ctx: RequestContext, name: str) -> Any:
            return ctx.send_file(name, root=folder)

    return app_of(Files, middleware=middleware)


def doing(act: Any) -> App:
    @Controller()
    class Doing:
        @Get("/")
        async def do(self, ctx: RequestContext) -> Any:
            return act(ctx)

    return app_of(Doing)


# Below a folder


@pytest.mark.parametrize("name", ["numbers.txt", "sub/inner.txt", "in", "./numbers.txt", "sub//inner.txt"])
def test_a_name_in_the_folder_is_found(folder: Path, name: str) -> None:
    assert below(folder, name).is_file()


@pytest.mark.parametrize(
    "name",
    [
        "../secret.txt",
        "sub/../../secret.txt",
        "sub/../numbers.txt",
        "/etc/passwd",
        "//etc/passwd",
        "..",
        ".",
        "",
        "out",
        "loop",
        "../files-too/secret.txt",
        "..\\secret.txt",
        "sub\\inner.txt",
        "numbers.txt\0",
        "\0",
        "\ud800",
        "x" * 5000,
    ],
)
def test_nothing_leads_out_of_the_folder(folder: Path, name: str) -> None:
    with pytest.raises(NotFound):
        open_file(name, root=folder, filename=None, media_type=None, disposition="inline")


def test_a_name_of_many_folders_costs_no_more_than_its_length(folder: Path) -> None:
    """Each part was looked up, with a copy of all before it: one request of 60 KB blocked the loop for 0.7 s."""

    def look_up(name: str) -> None:
        with pytest.raises(NotFound):
            below(folder, name)

    assert_costs_at_most(150, lambda: look_up("a/" * 6000 + "a"), lambda: look_up("a" * 12_001))


@pytest.mark.parametrize("ending", ["/", "//", "/.", "/./", "/./."])
@pytest.mark.parametrize("with_root", [True, False])
def test_the_name_of_a_folder_is_no_file(folder: Path, ending: str, with_root: bool) -> None:
    name = f"numbers.txt{ending}" if with_root else f"{folder}/numbers.txt{ending}"
    with pytest.raises(NotFound):
        open_file(name, root=folder if with_root else None, filename=None, media_type=None, disposition="inline")


@pytest.mark.parametrize("name", [".env", ".git/config", "sub/.hidden", "./.env", ".well-known/.hidden", "..data/x"])
def test_what_is_hidden_is_not_found_by_a_name_of_the_request(folder: Path, name: str) -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("hidden")
    with pytest.raises(NotFound):
        open_file(name, root=folder, filename=None, media_type=None, disposition="inline")
    assert open_file(path, root=None, filename=None, media_type=None, disposition="inline").status_code == 200


def test_well_known_names_and_links_to_what_is_hidden_are_found(folder: Path) -> None:
    (folder / ".well-known").mkdir()
    (folder / ".well-known" / "security.txt").write_text("Contact: us")
    (folder / "..data").mkdir()
    (folder / "..data" / "settings.json").write_text("{}")
    (folder / "settings.json").symlink_to("..data/settings.json")
    assert below(folder, ".well-known/security.txt").is_file()
    assert below(folder, "settings.json").is_file()


def test_a_root_may_be_hidden_itself(tmp_path: Path) -> None:
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "a.txt").write_text("a")
    assert below(tmp_path / ".cache", "a.txt").is_file()


# What the system refuses


class TestErrorsOfTheSystem:
    @pytest.mark.parametrize("code", [errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP])
    async def test_what_is_not_there_is_a_404(self, folder: Path, refuse: Refuse, code: int) -> None:
        refuse("stat", "numbers.txt", code)
        assert (await get(folder)).status == 404

    @pytest.mark.parametrize("code", [errno.EACCES, errno.EIO, errno.ESTALE, errno.ENOMEM])
    async def test_a_look_up_that_fails_is_a_logged_500(
        self, folder: Path, refuse: Refuse, code: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        refuse("stat", "numbers.txt", code)
        assert (await get(folder)).status == 500
        assert os.strerror(code) in caplog.text

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    @pytest.mark.parametrize(
        ("code", "status"),
        [(errno.EACCES, 404), (errno.EPERM, 404), (errno.ENOENT, 404), (errno.EMFILE, 500), (errno.EIO, 500)],
    )
    async def test_a_file_that_cannot_be_opened_is_no_200(
        self, folder: Path, refuse: Refuse, code: int, status: int, method: str
    ) -> None:
        refuse("open", "numbers.txt", code)
        answer = await get(folder, method=method)
        assert answer.status == status
        assert answer.header("content-type") == "application/problem+json"

    async def test_a_file_that_may_not_be_read_is_logged(
        self, folder: Path, refuse: Refuse, caplog: pytest.LogCaptureFixture
    ) -> None:
        refuse("open", "numbers.txt", errno.EACCES)
        await get(folder)
        assert "numbers.txt cannot be opened: Permission denied" in caplog.text

    @pytest.mark.parametrize("field", [None, "bytes=1-2", "bytes=0-0,5-6"])
    async def test_nothing_is_sent_of_a_file_that_goes_between_look_up_and_sending(
        self, folder: Path, field: str | None
    ) -> None:
        def act(ctx: RequestContext) -> Any:
            response = ctx.send_file(folder / "numbers.txt")
            (folder / "numbers.txt").unlink()
            return response

        sent: list[Any] = []

        async def receive() -> Any:
            await anyio.sleep_forever()

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [] if field is None else [(b"range", field.encode())]
        scope = {"type": "http", "asgi": {"spec_version": "2.4"}, "method": "GET", "path": "/", "headers": headers}
        with pytest.raises(FileNotFoundError):
            await doing(act)({**scope, "query_string": b"", "scheme": "http"}, receive, send)
        assert sent == []


@pytest.mark.parametrize(
    "target",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/sub/%2e%2e/%2e%2e/secret.txt",
        "/%2fetc/passwd",
        "/..%5csecret.txt",
        "/out",
        "/numbers.txt%00",
        "/%00",
        "/sub",
    ],
)
def test_a_client_cannot_leave_it_either(folder: Path, serve: Serve, target: str) -> None:
    with serve(sending(folder)) as url:
        address = urlsplit(url)
        with socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=60) as connection:
            connection.sendall(f"GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
            received = b""
            while piece := connection.recv(4096):
                received += piece
    assert received.split()[1] == b"404"
    body = received.partition(b"\r\n\r\n")[2]
    assert b"secret" not in body.replace(target.encode(), b"").replace(unquote(target).encode(), b"")


# What somebody may have uploaded

PAGE = b"<script>fetch('/stolen')</script>"
SANDBOX = "sandbox; default-src 'none'"


class TestUploads:
    """Below `root`, nothing runs on the origin of the application: neither as a page nor as a script of a page."""

    @pytest.mark.parametrize(
        "name",
        [
            *("page.html", "page.htm", "PAGE.HTML", "page.xhtml", "page.svg", "page.SVG", "page.svgz", "page.xml"),
            *("page.xsl", "page.rss", "page.mht", "page.js", "page.mjs", "page.css", "page.webmanifest", "page.wasm"),
            *("page.json", "page.swf", "page", "page.", "page.unknown", "page.txt.html", "page.png.svg"),
            *("page.html.gz", "page.html;.zip", "page.txt%00", "page.xht", "page.eml"),
        ],
    )
    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    async def test_is_saved_and_not_run(self, tmp_path: Path, name: str, method: str) -> None:
        path = tmp_path / name
        path.write_bytes(PAGE)
        response = await ask(doing(lambda ctx: ctx.send_file(path.name, root=tmp_path)), "/", method=method)
        assert response.status == 200
        assert response.header("content-type") == "application/octet-stream"
        assert response.all("content-security-policy") == [SANDBOX]
        assert response.all("x-content-type-options") == ["nosniff"]
        assert response.header("content-disposition") == content_disposition("attachment", path.name).decode()

    @pytest.mark.parametrize(
        ("name", "media_type"),
        [
            ("a.png", "image/png"),
            ("A.JPEG", "image/jpeg"),
            ("a.gif", "image/gif"),
            ("a.mp3", "audio/mpeg"),
            ("a.mp4", "video/mp4"),
            ("a.pdf", "application/pdf"),
            ("page.html.txt", "text/plain; charset=utf-8"),
            ("data:,page.html", "text/plain; charset=utf-8"),  # the standard library reads the name as a URL
            ("a.csv", "text/csv; charset=utf-8"),
        ],
    )
    async def test_is_shown_if_browsers_run_nothing_in_it(self, tmp_path: Path, name: str, media_type: str) -> None:
        (tmp_path / name).write_bytes(PAGE)
        answer = await ask(doing(lambda ctx: ctx.send_file(name, root=tmp_path)), "/")
        assert (answer.header("content-type"), answer.header("content-disposition")) == (media_type, None)
        assert answer.all("x-content-type-options") == ["nosniff"]
        assert answer.header("content-security-policy") != SANDBOX  # PDF viewers do not work in it

    @pytest.mark.parametrize(
        "media_type",
        [
            *(
                "text/html",
                "Text/HTML; charset=utf-8",
                "image/svg+xml",
                "text/javascript",
                "image/x+xml",
                "video/x+xml",
            ),
            *("image/png, text/html", 'image/png;a=", text/html', "image/png; x=1, text/html", "multipart/mixed"),
            *("image", "/", "*/*", "image/*", "image/png text/html", "text/plain;charset", "text/css", "audio/"),
        ],
    )
    async def test_is_not_what_its_stored_type_says(self, folder: Path, media_type: str) -> None:
        def act(ctx: RequestContext) -> Any:
            return ctx.send_file("numbers.txt", root=folder, media_type=media_type, disposition="inline")

        answer = await ask(doing(act), "/")
        assert answer.header("content-type") == "application/octet-stream"
        assert answer.header("content-security-policy") == SANDBOX
        assert answer.header("content-disposition") == 'attachment; filename="numbers.txt"'

    async def test_has_the_type_that_is_stored_if_it_is_inert(self, folder: Path) -> None:
        for media_type in ("image/png", "video/mp4; codecs=avc1.42E01E", 'audio/ogg; codecs="opus"'):
            answer = await ask(
                doing(lambda ctx, given=media_type: ctx.send_file("numbers.txt", root=folder, media_type=given)), "/"
            )
            assert (answer.header("content-type"), answer.header("content-disposition")) == (media_type, None)

    async def test_has_the_name_that_the_handler_gives(self, folder: Path) -> None:
        (folder / "page.html").write_bytes(PAGE)
        sent = await ask(doing(lambda ctx: ctx.send_file("page.html", root=folder, filename="mine.html")), "/")
        assert sent.header("content-disposition") == 'attachment; filename="mine.html"'
        shown = await ask(doing(lambda ctx: ctx.send_file("page.html", root=folder, filename="mine.txt")), "/")
        assert shown.header("content-type") == "text/plain; charset=utf-8"
        assert shown.header("content-disposition") == 'inline; filename="mine.txt"'

    async def test_stays_harmless_in_parts_and_in_caches(self, folder: Path) -> None:
        (folder / "page.svg").write_bytes(PAGE)
        whole = await get(folder, "page.svg")
        for field, status in (("bytes=0-5", 206), ("bytes=0-1,5-6", 206), ("bytes=500-", 416)):
            answer = await get(folder, "page.svg", range=field)
            assert (answer.status, answer.all("content-security-policy")) == (status, [SANDBOX])
            assert answer.header("x-content-type-options") == "nosniff"
            assert b"svg" not in answer.body
        same = await get(folder, "page.svg", if_none_match=str(whole.header("etag")))
        assert (same.status, same.all("content-security-policy")) == (304, [SANDBOX])

    async def test_no_security_headers_are_needed_for_it(self, folder: Path) -> None:
        (folder / "page.html").write_bytes(PAGE)
        app = sending(folder, [security_headers(enabled=False)])
        for name in ("page.html", "numbers.txt"):
            assert (await ask(app, f"/{name}")).header("x-content-type-options") == "nosniff"

    @pytest.mark.parametrize(
        ("name", "media_type"),
        [
            ("page.html", "text/html; charset=utf-8"),
            ("page.svg", "image/svg+xml"),
            ("page.css", "text/css; charset=utf-8"),
        ],
    )
    async def test_files_of_the_application_are_sent_as_they_are(
        self, folder: Path, name: str, media_type: str
    ) -> None:
        (folder / name).write_bytes(PAGE)
        for act in (
            lambda ctx: ctx.send_file(name, root=folder, trusted=True),
            lambda ctx: ctx.send_file(folder / name),
        ):
            answer = await ask(doing(act), "/")
            assert (answer.header("content-type"), answer.header("content-disposition")) == (media_type, None)
            assert answer.header("content-security-policy") != SANDBOX

    async def test_a_media_type_with_a_line_break_is_an_error(
        self, folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        evil = "text/html\r\nset-cookie: a=b"
        answer = await ask(doing(lambda ctx: ctx.send_file("numbers.txt", root=folder, media_type=evil)), "/")
        assert (answer.status, answer.all("set-cookie")) == (500, [])
        assert "not a header" in caplog.text


# Ranges


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("bytes=0-0", [(0, 0)]),
        ("bytes=2-4", [(2, 4)]),
        ("BYTES = 2-4", [(2, 4)]),
        ("bytes=5-", [(5, 9)]),
        ("bytes=-3", [(7, 9)]),
        ("bytes=-30", [(0, 9)]),
        ("bytes=8-99999", [(8, 9)]),
        ("bytes=0-1, 4-5", [(0, 1), (4, 5)]),
        ("bytes=4-5,0-1", [(0, 1), (4, 5)]),
        ("bytes=0-3,2-5,6-6", [(0, 6)]),
        ("bytes=0-1,50-60", [(0, 1)]),
        ("bytes=,0-1,", [(0, 1)]),
        ("bytes=10-", []),
        ("bytes=-0", []),
        ("bytes=50-60,70-", []),
        # to be ignored
        ("lines=1-2", None),
        ("bytes", None),
        ("bytes=", None),
        ("bytes=,", None),
        ("bytes=-", None),
        ("bytes=4-2", None),
        ("bytes=a-b", None),
        ("bytes=+1-2", None),
        ("bytes=1_0-", None),
        ("bytes=\u0663-", None),
        ("bytes=0-1;2-3", None),
        ("bytes=--3", None),
        ("bytes=" + "9" * 5000 + "-", None),
        ("bytes=" + ",".join(["0-0"] * 101), None),
    ],
)
def test_ranges_are_read(field: str, found: Any) -> None:
    assert ranges(field, len(TEXT)) == found


def test_a_file_is_sent_in_twenty_parts_at_most() -> None:
    """A hundred parts of one byte took 45 ms of processor time, as much as 50 MiB in one piece."""
    single = [f"{2 * number}-{2 * number}" for number in range(MOST_RANGES + 1)]
    assert MOST_RANGES == 20
    assert len(ranges("bytes=" + ",".join(single[:-1]), 1000) or ()) == MOST_RANGES
    assert ranges("bytes=" + ",".join(single), 1000) is None


def test_no_range_but_its_end_is_in_an_empty_file() -> None:
    assert ranges("bytes=0-", 0) == ranges("bytes=-0", 0) == []
    assert ranges("bytes=-5", 0) is ranges("bytes=0-, -1", 0) is None


async def test_the_end_of_an_empty_file_is_the_whole_of_it(folder: Path) -> None:
    for field in ("bytes=-5", "bytes=-1", "bytes=0-,-5"):
        answer = await get(folder, "empty.txt", range=field)
        assert (answer.status, answer.body, answer.header("content-length")) == (200, b"", "0")
    assert (await get(folder, "empty.txt", range="bytes=-0")).status == 416


async def test_an_error_has_no_header_of_the_file(folder: Path) -> None:
    def act(ctx: RequestContext) -> Any:
        ctx.set_header("cache-control", "public, max-age=31536000, immutable")
        ctx.set_header("expires", "Fri, 01 Jan 2100 00:00:00 GMT")
        return ctx.send_file(folder / "numbers.txt", disposition="attachment")

    answer = await ask(doing(act), "/", headers={"range": "bytes=50-"})
    assert answer.status == 416
    of_the_file = {"cache-control", "expires", "etag", "last-modified", "content-disposition"}
    assert not of_the_file & {name for name, _ in answer.headers}


async def get(folder: Path, name: str = "numbers.txt", method: str = "GET", **headers: str) -> Answer:
    fields = {key.replace("_", "-"): value for key, value in headers.items()}
    return await ask(sending(folder), f"/{name}", method=method, headers=fields)


async def test_several_parts_are_one_message(folder: Path) -> None:
    answer = await get(folder, range="bytes=0-1, -2")
    assert answer.status == 206
    assert str(answer.header("content-type")).startswith("multipart/byteranges; boundary=")
    assert answer.header("content-length") == str(len(answer.body))
    assert b"content-range: bytes 0-1/10\r\n\r\n01\r\n" in answer.body.lower()
    assert b"content-range: bytes 8-9/10\r\n\r\n89\r\n" in answer.body.lower()


async def test_a_part_that_is_not_there_is_said_to_be(folder: Path) -> None:
    answer = await get(folder, range="bytes=50-")
    assert (answer.status, answer.body, answer.header("content-range")) == (416, b"", "bytes */10")
    assert (await get(folder, "empty.txt", range="bytes=0-")).header("content-range") == "bytes */0"


@pytest.mark.parametrize("field", ["lines=1-2", "bytes=x", "bytes=4-2"])
async def test_what_cannot_be_read_is_ignored(folder: Path, field: str) -> None:
    answer = await get(folder, range=field)
    assert (answer.status, answer.body) == (200, TEXT)


async def test_head_has_no_ranges(folder: Path) -> None:
    answer = await get(folder, method="HEAD", range="bytes=2-4")
    assert (answer.status, answer.body, answer.header("content-length")) == (200, b"", "10")


async def test_a_part_is_sent_only_of_the_version_that_is_meant(folder: Path) -> None:
    whole = await get(folder)
    for name in ("etag", "last-modified"):
        answer = await get(folder, range="bytes=2-4", if_range=str(whole.header(name)))
        assert (answer.status, answer.body) == (206, b"234")
    for other in ('"other"', f"W/{whole.header('etag')}", "Sun, 17 May 2020 12:00:00 GMT", "nonsense"):
        assert (await get(folder, range="bytes=2-4", if_range=other)).status == 200
        assert (await get(folder, range="bytes=50-", if_range=other)).status == 200


# Validators


async def test_a_client_that_has_the_file_is_not_sent_it_again(folder: Path) -> None:
    whole = await get(folder)
    etag, modified = str(whole.header("etag")), str(whole.header("last-modified"))
    for method in ("GET", "HEAD"):
        for condition in ({"if_none_match": etag}, {"if_none_match": "*"}, {"if_modified_since": modified}):
            answer = await get(folder, method=method, **condition)
            assert (answer.status, answer.body) == (304, b"")
            assert (answer.header("etag"), answer.header("last-modified")) == (etag, modified)
            assert answer.header("content-length") is None
    assert (await get(folder, if_none_match=etag, range="bytes=0-1")).status == 304
    assert (await get(folder, if_none_match='"x"', if_modified_since=modified)).status == 200


async def test_a_file_that_has_changed_is_sent_again(folder: Path) -> None:
    etag = str((await get(folder)).header("etag"))
    assert (await get(folder, if_match=etag)).status == 200
    path = folder / "numbers.txt"
    path.write_bytes(b"other")
    os.utime(path, (1, 1))
    assert (await get(folder, if_none_match=etag)).body == b"other"
    refused = await get(folder, if_match=etag)
    assert (refused.status, refused.header("content-type")) == (412, "application/problem+json")


# Names

NAMES = [
    ("report.pdf", "report.pdf"),
    ("a b.txt", "a b.txt"),
    ("naïve.txt", "naïve.txt"),
    ("日本語 🐍.txt", "日本語 🐍.txt"),
    ("می‌خواهم.txt", "می‌خواهم.txt"),
    ('quo"te.txt', 'quo"te.txt'),
    ("semi;colon=1.txt", "semi;colon=1.txt"),
    ("100%41.txt", "100%41.txt"),
    ("it's.txt", "it's.txt"),
    ("../../etc/passwd", "passwd"),
    ("..\\..\\boot.ini", "boot.ini"),
    ("C:\\reports\\may.pdf", "may.pdf"),
    ("folder/", "folder"),
    ("/", "download"),
    ("..", "download"),
    ("", "download"),
    (" . ", "download"),
    (".htaccess", "htaccess"),
    ("name.txt. .", "name.txt"),
    ("invoice\u202efdp.exe", "invoicefdp.exe"),
    ("\u2066a\u2069\u200f\ufeff.txt", "a.txt"),
    ("a\r\nset-cookie: x=1.txt", "aset-cookie: x=1.txt"),
    ("a\0\x1b\x7f\x85\u2028.txt", "a.txt"),
    ("lone\ud800.txt", "lone.txt"),
    ("x" * 500 + ".txt", "x" * 196 + ".txt"),
]


def as_saved(field: str) -> str:
    """The name that a browser takes: the exact one, where there is one (RFC 6266, section 4.3)."""
    pattern = r"attachment; filename=\"([^\"\\%]*)\"(?:; filename\*=UTF-8''([A-Za-z0-9!#$&+.^_`|~%-]+))?"
    plain = re.fullmatch(pattern, field)
    assert plain is not None, field
    return plain[1] if plain[2] is None else unquote_to_bytes(plain[2]).decode()


@pytest.mark.parametrize(("given", "saved"), NAMES)
def test_a_browser_saves_a_download_under_a_safe_name(given: str, saved: str) -> None:
    field = content_disposition("attachment", given).decode("ascii")
    assert "\r" not in field
    assert "\n" not in field
    assert as_saved(field) == saved == safe_name(given)


def test_no_name_is_longer_than_a_system_takes() -> None:
    for given in ("x" * 5000, "x." + "y" * 5000, "é" * 5000 + ".txt", "." * 5000):
        assert len(safe_name(given)) <= 200


def test_the_name_for_old_browsers_is_plain() -> None:
    field = content_disposition("attachment", 'Ré"su\\mé 100%.pdf').decode("ascii")
    assert field.startswith('attachment; filename="me 100_.pdf"; ')
    _, _, exact = content_disposition("inline", "é'(x).txt").decode("ascii").partition("filename*=UTF-8''")
    assert unquote_to_bytes(exact).decode() == "é'(x).txt"
    assert "'" not in exact


@pytest.mark.parametrize("size", [10, 65_536, 131_072, 200_000])
def test_a_file_that_grows_is_sent_as_long_as_it_was(tmp_path: Path, serve: Serve, size: int) -> None:
    path = tmp_path / "growing.log"

    def act(ctx: RequestContext) -> Any:
        path.write_bytes(b"x" * size)
        response = ctx.send_file(path)
        path.write_bytes(b"x" * size + b"y" * 100_000)
        return response

    with serve(doing(act)) as url:
        for _ in range(2):
            answer = httpx2.get(url)
            assert (len(answer.content), answer.content.count(b"y")) == (size, 0)


# Downloads


async def test_a_download_is_made_of_bytes_or_a_text() -> None:
    answer = await ask(doing(lambda ctx: ctx.download(b"a,b\n", "Übersicht.csv")), "/")
    assert (answer.status, answer.body, answer.header("content-type")) == (200, b"a,b\n", "text/csv")
    assert str(answer.header("content-disposition")).startswith('attachment; filename="Ubersicht.csv"; filename*=')
    answer = await ask(doing(lambda ctx: ctx.download("é", "x", media_type="text/plain; charset=utf-8")), "/")
    assert (answer.text, answer.header("content-type")) == ("é", "text/plain; charset=utf-8")


@pytest.mark.parametrize(
    "media_type",
    [
        *("text/javascript", "application/javascript", "Application/X-JavaScript", "text/ecmascript", "text/jscript"),
        *(
            "text/livescript",
            "text/javascript1.5",
            "application/ecmascript; charset=utf-8",
            "text/css",
            "image/png, text/css",
        ),
    ],
)
async def test_no_page_can_load_a_download_as_a_script_or_stylesheet(media_type: str) -> None:
    """`Content-Disposition` is for what is shown; `<script src>` and `<link rel=stylesheet>` do not look at it."""
    answer = await ask(doing(lambda ctx: ctx.download(PAGE, "x", media_type=media_type)), "/")
    assert answer.header("content-type") == "application/octet-stream"
    assert answer.header("x-content-type-options") == "nosniff"


@pytest.mark.parametrize("name", ["x.js", "X.MJS", "x.css", "data:text/javascript,x"])
async def test_nor_by_its_name(name: str) -> None:
    answer = await ask(doing(lambda ctx: ctx.download(PAGE, name)), "/")
    assert answer.header("content-type") == "application/octet-stream"


@pytest.mark.parametrize("name", ["x.html", "x.svg", "x.zip", "x.json", "x.pdf"])
async def test_a_download_has_no_origin_wherever_it_is_shown(name: str) -> None:
    answer = await ask(doing(lambda ctx: ctx.download(PAGE, name)), "/")
    assert answer.header("content-type") != "application/octet-stream"
    assert answer.all("content-security-policy") == [SANDBOX]
    assert answer.all("x-content-type-options") == ["nosniff"]


async def test_a_media_type_of_a_download_stays_in_its_line(caplog: pytest.LogCaptureFixture) -> None:
    answer = await ask(doing(lambda ctx: ctx.download(b"", "x", media_type="a/b\r\nset-cookie: c=d")), "/")
    assert (answer.status, answer.all("set-cookie")) == (500, [])


async def test_a_file_to_be_saved_has_its_own_name(folder: Path) -> None:
    def act(ctx: RequestContext) -> Any:
        return ctx.send_file(folder / "numbers.txt", disposition="attachment")

    assert (await ask(doing(act), "/")).header("content-disposition") == 'attachment; filename="numbers.txt"'
