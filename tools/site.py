"""Build the documentation site: `make docs`.

The pages are those of the repository: docs/, the examples, and some files beside the README. They are copied to
build/pages with their links adjusted, because the site has no files outside of it: an example becomes a page that shows
its files. Zensical builds build/site from them. Then every link and every address in the built pages is checked: dead
links, private names in the reference, and anything that a browser would load from another host fail the build.

A site works below any path, but for its 404 page: a server sends that for every address, so its own links begin at the
root of the server. `make docs URL=https://example.com/kick/` says where the site will be, and adds a sitemap.
"""

from __future__ import annotations

import argparse
import json
import os
import posixpath
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final
from urllib.parse import unquote, urlsplit

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = ROOT / "build" / "pages"
SITE: Final = ROOT / "build" / "site"

README: Final = "README.md"
BESIDE: Final = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "benchmarks/README.md", "examples/README.md")
"""Pages outside of docs/ that are part of the site."""

_LINK: Final = re.compile(r"(?<=\]\()([^)\s]+)(?=[)\s])")
_FENCE: Final = re.compile(r"^(```|~~~)", re.MULTILINE)
_LANGUAGES: Final = {".py": "python", ".html": "html", ".css": "css", ".js": "javascript", ".toml": "toml", ".md": "md"}
_LOADED: Final = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src"}
"""Attributes whose address a browser loads without a click."""


class BrokenSite(Exception):
    """A site that must not be published. The message names every reason, one a line."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the site, and report what is wrong with it."""
    parser = argparse.ArgumentParser(prog="make docs", description="Build the documentation site, and check its links.")
    parser.add_argument("--url", default="", help="where the site will be served, for its 404 page and its sitemap")
    url: str = parser.parse_args(arguments).url
    url = url and url.rstrip("/") + "/"
    try:
        write_pages(ROOT, PAGES)
        shutil.rmtree(SITE, ignore_errors=True)
        settings = (ROOT / "zensical.toml").read_text()
        with NamedTemporaryFile("w", dir=ROOT, prefix=".zensical-", suffix=".toml") as file:
            file.write(settings.replace("[project]", f"[project]\nsite_url = {json.dumps(url)}", 1))
            file.flush()
            built = subprocess.run(
                [Path(sys.executable).parent / "zensical", "build", "--clean", "--strict", "--config-file", file.name],
                cwd=ROOT,
                check=False,
                env={**os.environ, "NO_COLOR": "1"},
            )
        if built.returncode:
            return built.returncode
        remove_empty_sitemap(SITE)
        check_site(SITE, urlsplit(url).path or "/")
    except BrokenSite as error:
        print(error, file=sys.stderr)
        return 1
    pages = len(list(SITE.rglob("*.html")))
    print(f"build/site: {pages} pages; open build/site/index.html")
    return 0


def write_pages(root: Path, folder: Path) -> None:
    """Write the source of the site: all pages, with links that lead to pages of the site.

    Raises `BrokenSite` for links to files that do not exist or that are no part of the site.
    """
    sources = {
        path.relative_to(root / "docs").as_posix(): path for path in (root / "docs").rglob("*") if path.is_file()
    }
    sources |= {name: root / name for name in BESIDE}
    of_examples = {f"examples/{each.stem}.md": each for each in examples(root / "examples")}
    places = {path.resolve(): name for name, path in {**sources, **of_examples}.items()}
    shutil.rmtree(folder, ignore_errors=True)
    problems: list[str] = []
    for name, path in sources.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix != ".md":
            shutil.copyfile(path, target)
            continue
        text, missing = with_links(path.read_text(), path, name, places)
        problems += [f"{path.relative_to(root)}: no page for {each}" for each in missing]
        target.write_text(text)
    for name, path in of_examples.items():
        text, missing = page_of(path, name, places)
        problems += [f"{(path / README).relative_to(root)}: no page for {each}" for each in missing]
        (folder / name).write_text(text)
    if problems:
        raise BrokenSite("\n".join(problems))


def examples(folder: Path) -> list[Path]:
    """Return the examples in a folder: modules and folders."""
    return sorted(
        each for each in folder.iterdir() if each.suffix == ".py" or (each.is_dir() and each.name[0] not in "._")
    )


def page_of(example: Path, name: str, places: dict[Path, str]) -> tuple[str, list[str]]:
    """Return the page of an example, which is its README and each of its files, and the links without a page."""
    readme = example / README
    title, missing = f"# {example.stem.replace('_', ' ')}\n", list[str]()
    if readme.is_file():
        title, missing = with_links(readme.read_text(), readme, name, places)
    parts = [title]
    for path in [example] if example.is_file() else _files(example):
        language = _LANGUAGES.get(path.suffix)
        if path == readme or language is None:
            continue
        shown = path.name if path == example else path.relative_to(example).as_posix()
        parts.append(f"## {shown}\n\n````{language}\n{path.read_text().rstrip()}\n````\n")
    return "\n".join(parts), missing


def _files(example: Path) -> Iterator[Path]:
    for path in sorted(example.rglob("*")):
        is_hidden = any(part.startswith(".") for part in path.relative_to(example).parts)
        if path.suffix in _LANGUAGES and not is_hidden and path.stat().st_size:
            yield path


def with_links(text: str, path: Path, name: str, places: dict[Path, str]) -> tuple[str, list[str]]:
    """Return a page whose links lead to pages of the site, and the links for which there is none.

    Code blocks are left as they are.
    """
    missing: list[str] = []

    def replaced(match: re.Match[str]) -> str:
        link, _, fragment = match[1].partition("#")
        if not link or urlsplit(link).scheme:
            return match[0]
        place = places.get((path.parent / link).resolve())
        if place is None:
            missing.append(match[1])
            return match[0]
        relative = posixpath.relpath(place, posixpath.dirname(name) or ".")
        return f"{relative}#{fragment}" if fragment else relative

    parts = _FENCE.split(text)
    for index in range(0, len(parts), 4):  # outside of fences, which open and close in turns
        parts[index] = _LINK.sub(replaced, parts[index])
    return "".join(parts), missing


class _Page(HTMLParser):
    """Collects the ids of a page, its links, and what a browser loads with it."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        values = {name: value for name, value in attrs if value}
        self.ids.update(values[each] for each in ("id", "name") if each in values)
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        address = values.get(_LOADED.get(tag, ""))
        if address is not None and values.get("rel") not in ("canonical", "prev", "next"):
            self.loaded.append(address)


def remove_empty_sitemap(site: Path) -> None:
    """Remove a sitemap without an address: Zensical can fill it only if `site_url` says where the site is."""
    sitemap = site / "sitemap.xml"
    if sitemap.is_file() and "<url>" not in sitemap.read_text():
        sitemap.unlink()


def check_site(site: Path, root: str = "/") -> None:
    """Check the links of all pages of a site that is served below `root`.

    Raises `BrokenSite` with everything that is wrong.
    """
    pages = {path.resolve(): _parsed(path, root) for path in site.rglob("*.html")}
    problems = [
        f"{path.relative_to(site.resolve())}: {problem}"
        for path, page in pages.items()
        for problem in (*_dead_links(path, page, pages), *_foreign(page.loaded), *_private(page.ids))
    ]
    if problems:
        raise BrokenSite("\n".join(sorted(problems)))


def _parsed(path: Path, root: str) -> _Page:
    page = _Page()
    page.feed(path.read_text())
    if path.name == "404.html":  # it is sent for every address, so its links begin at the root of the server
        page.links, page.loaded = (
            [each.removeprefix(root) if each.startswith(root) else each for each in links]
            for links in (page.links, page.loaded)
        )
    return page


def _dead_links(path: Path, page: _Page, pages: dict[Path, _Page]) -> Iterator[str]:
    for link in [*page.links, *page.loaded]:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        target = target / "index.html" if target.is_dir() else target
        if not target.exists():
            yield f"{link} does not exist"
        elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids | {"__codelineno"}:
            yield f"{link} has no such heading"


def _private(ids: Iterable[str]) -> Iterator[str]:
    """Yield the private members of classes that the reference shows: `kick.app.App._parts`."""
    yield from (
        f"{each} is private" for each in ids if re.match(r"_|__(?!init__)", each.rpartition(".")[2]) and "." in each
    )


def _foreign(addresses: Iterable[str]) -> Iterator[str]:
    yield from (f"{each} is loaded from another host" for each in addresses if urlsplit(each).netloc)


if __name__ == "__main__":
    sys.exit(main())
