import pytest

from kick.cli.generate.fields import parse_fields
from kick.cli.generate.names import LONGEST, Name, parse_name, plural_of
from tests.support.setup_errors import raises_code


@pytest.mark.parametrize("text", ["blog-post", "blog_post", "BlogPost", "blogPost", "Blog-Post"])
def test_a_name_may_be_written_in_many_ways(text: str) -> None:
    name = parse_name("module", text, top_level=False)
    assert (name.snake, name.title, name.path, name.words) == ("blog_post", "BlogPost", "blog-post", "blog post")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "it is empty"),
        ("5-notes", "must also be the name of a class"),
        ("no te", "must also be the name of a class"),
        ("../note", "must also be the name of a class"),
        ("note\n", "must also be the name of a class"),
        ("nöte", "must also be the name of a class"),
        ("class", "is a keyword of Python"),
        ("none", "is a keyword of Python"),
        ("n" * (LONGEST + 1), "is longer than"),
    ],
)
def test_a_bad_name_is_refused_with_the_reason(text: str, problem: str) -> None:
    with raises_code("generate-name") as raised:
        parse_name("resource", text, top_level=False)
    assert problem in raised.value.cause


@pytest.mark.parametrize("text", ["json", "click", "tests"])
def test_what_would_hide_a_package_is_refused_where_it_would(text: str) -> None:
    with raises_code("generate-name", match="it would hide"):
        parse_name("module", text, top_level=True)
    assert parse_name("module", text, top_level=False).snake == text


@pytest.mark.parametrize(
    ("one", "many"),
    [("note", "notes"), ("box", "boxes"), ("match", "matches"), ("city", "cities"), ("day", "days"), ("bus", "buses")],
)
def test_the_plural_follows_a_few_rules(one: str, many: str) -> None:
    assert plural_of(Name(one)).snake == many


@pytest.mark.parametrize(
    ("field", "problem"),
    [
        ("title", "it has no type"),
        ("title:", "it has no type"),
        ("title:text", "there is no type 'text'"),
        ("title:str??", "there is no type 'str??'"),
        ("tags:list", "there is no type 'list'"),
        ("tags:list[list[str]]", "there is no type"),
        ("Title:str", "not written in small letters"),
        ("__dict__:str", "not written in small letters"),
        ("class:str", "is a keyword of Python"),
        ("id:int", "a field that each resource has"),
        ("self:int", "self is taken"),
        ("str:str", "would hide the type"),
        ("a" * 33 + ":str", "longer than 32"),
    ],
)
def test_a_bad_field_is_refused_with_the_reason(field: str, problem: str) -> None:
    with raises_code("generate-field") as raised:
        parse_fields(["name:str", field])
    assert problem in raised.value.cause


def test_fields_are_at_least_one_and_no_two_alike() -> None:
    with raises_code("generate-field", match="at least one field"):
        parse_fields([])
    with raises_code("generate-field", match="two fields have this name"):
        parse_fields(["a:str", "a:int"])
