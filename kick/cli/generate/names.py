"""Names of components: `blog-post` as a module, a class, a path, and in the plural.

The plural has three rules: `-s`; `-es` after s, x, z, ch and sh; `-ies` for a consonant and y. `--plural` sets an
irregular one.
"""

from __future__ import annotations

import keyword
import re
from typing import Final, NamedTuple

from kick.cli.generate.errors import bad_name
from kick.cli.project_name import name_problem

LONGEST: Final = 24
"""The longest name, in characters. Lines with several copies of the name must stay below 100 characters."""

_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORDS: Final = re.compile(r"[-_]")
_ES: Final = re.compile(r"(s|x|z|ch|sh)$")
_IES: Final = re.compile(r"[^aeiou]y$")


class Name(NamedTuple):
    """A name in its different forms."""

    snake: str

    @property
    def title(self) -> str:
        """The form for a class.

        >>> Name("blog_post").title
        'BlogPost'
        """
        return "".join(word[:1].upper() + word[1:] for word in self.snake.split("_"))

    @property
    def path(self) -> str:
        """The form for a URL path.

        >>> Name("blog_post").path
        'blog-post'
        """
        return self.snake.replace("_", "-")

    @property
    def words(self) -> str:
        """The form for a sentence."""
        return self.snake.replace("_", " ")

    @property
    def article(self) -> str:
        """The words with `a` or `an` before them."""
        return f"{'an' if self.snake[0] in 'aeiou' else 'a'} {self.words}"


def parse_name(kind: str, text: str, *, top_level: bool, longest: int = LONGEST) -> Name:
    """Parse a name: `BlogPost`, `blog-post` and `blog_post` are the same.

    >>> parse_name("module", "BlogPost", top_level=False)
    Name(snake='blog_post')

    With `top_level`, it becomes a top-level package or module, which must not hide an installed one.
    Raises `KickError`: `generate-name`.
    """
    snake = _WORDS.sub("_", _HUMP.sub("_", text)).lower()
    problem = name_problem(text, snake, longest=longest, top_level=top_level)
    if problem is None and keyword.iskeyword(Name(snake).title):
        problem = f"{Name(snake).title} is a keyword of Python"
    if problem is not None:
        raise bad_name(kind, text, problem)
    return Name(snake)


def plural_of(name: Name) -> Name:
    """Return the plural of a name.

    >>> [plural_of(Name(each)).snake for each in ("note", "box", "blog_entry", "day")]
    ['notes', 'boxes', 'blog_entries', 'days']
    """
    if _IES.search(name.snake):
        return Name(f"{name.snake[:-1]}ies")
    return Name(f"{name.snake}es" if _ES.search(name.snake) else f"{name.snake}s")
