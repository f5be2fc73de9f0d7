"""Reading JSON that comes from outside: a checked value, or a sentence that names the field."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from messenger_hub_twin.fields import BadField, Fields

VALUES = {
    "text": "hello",
    "empty": "",
    "flag": True,
    "count": 3,
    "zero": 0,
    "less": -1,
    "half": 0.5,
    "null": None,
    "texts": ["a", ""],
    "mixed": ["a", 1],
    "far": 1e12,
}
FIELDS = Fields(VALUES)


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (lambda f: f.text("text"), "hello"),
        (lambda f: f.text("missing", "else"), "else"),
        (lambda f: f.text("null", "else"), "else"),
        (lambda f: f.text("empty", "else"), ""),
        (lambda f: f.optional_text("missing"), None),
        (lambda f: f.optional_text("null"), None),
        (lambda f: f.optional_text("text"), "hello"),
        (lambda f: f.flag("flag"), True),
        (lambda f: f.flag("missing", False), False),
        (lambda f: f.count("zero"), 0),
        (lambda f: f.count("missing", 7), 7),
        (lambda f: f.optional_count("null"), None),
        (lambda f: f.optional_count("count"), 3),
        (lambda f: f.seconds("half"), 0.5),
        (lambda f: f.seconds("count"), 3.0),
        (lambda f: f.seconds("missing", 1.5), 1.5),
        (lambda f: f.texts("texts"), ("a", "")),
        (lambda f: "text" in f, True),
        (lambda f: "missing" in f, False),
    ],
)
def test_a_right_value_is_read(read: Callable[[Fields], object], value: object) -> None:
    assert read(FIELDS) == value


@pytest.mark.parametrize(
    ("read", "sentence"),
    [
        (lambda f: f.text("missing"), '"missing" must be a text.'),
        (lambda f: f.text("count"), '"count" must be a text.'),
        (lambda f: f.text("empty"), '"empty" must not be empty.'),
        (lambda f: f.optional_text("empty"), '"empty" must not be empty.'),
        (lambda f: f.flag("missing"), '"missing" must be true or false.'),
        (lambda f: f.flag("zero"), '"zero" must be true or false.'),
        (lambda f: f.count("flag"), '"flag" must be a whole number, zero or more.'),
        (lambda f: f.count("half"), '"half" must be a whole number, zero or more.'),
        (lambda f: f.count("less"), '"less" must be a whole number, zero or more.'),
        (lambda f: f.count("missing"), '"missing" must be a whole number, zero or more.'),
        (lambda f: f.optional_count("text"), '"text" must be a whole number, zero or more.'),
        (lambda f: f.seconds("flag"), '"flag" must be a number, zero or more.'),
        (lambda f: f.seconds("less"), '"less" must be a number, zero or more.'),
        (lambda f: f.seconds("far"), '"far" must be a number, zero or more.'),
        (lambda f: f.seconds("text"), '"text" must be a number, zero or more.'),
        (lambda f: f.texts("text"), '"text" must be a list of texts.'),
        (lambda f: f.texts("mixed"), '"mixed" must be a list of texts.'),
        (lambda f: f.texts("missing"), '"missing" must be a list of texts.'),
        (lambda f: f.refuse_others("a", "b"), 'There is no field "text" here; the fields are: a, b.'),
        (lambda f: f.refuse_others(), 'There is no field "text" here; the fields are: none.'),
    ],
)
def test_a_wrong_value_gets_a_sentence_that_names_the_field(read: Callable[[Fields], object], sentence: str) -> None:
    with pytest.raises(BadField) as caught:
        read(FIELDS)
    assert str(caught.value) == sentence


def test_not_a_number_and_infinity_are_no_seconds() -> None:
    for text in ('{"s": NaN}', '{"s": Infinity}'):
        with pytest.raises(BadField, match="must be a number"):
            Fields.parse(text).seconds("s")


@pytest.mark.parametrize("text", ["", "  ", "{}"])
def test_an_empty_body_is_an_empty_object(text: str) -> None:
    fields = Fields.parse(text)
    fields.refuse_others()
    assert fields.optional_text("anything") is None


@pytest.mark.parametrize("text", ["[1]", '"text"', "3", "null"])
def test_json_that_is_no_object_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadField, match=r'^The body must be a JSON object, like \{"on": true\}\.$'):
        Fields.parse(text)


def test_what_is_no_json_is_refused_with_the_place() -> None:
    with pytest.raises(BadField, match=r"^The body is not JSON: .*line 1 column 8"):
        Fields.parse('{"on": ')
