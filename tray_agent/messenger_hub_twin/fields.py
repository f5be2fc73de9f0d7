"""Typed reading of JSON objects that come from outside: a page's frames and the control API's bodies."""

from __future__ import annotations

import json
from collections.abc import Mapping


class BadField(ValueError):
    """A JSON body is not what was asked for; the message is a sentence for the caller."""


class Fields:
    """One JSON object; every reader answers with a checked type or raises BadField naming the field."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    @classmethod
    def parse(cls, text: str) -> Fields:
        """Read a JSON object; an empty text is an empty object."""
        try:
            values: object = json.loads(text) if text.strip() else {}
        except ValueError as error:
            raise BadField(f"The body is not JSON: {error}.") from error
        if not isinstance(values, dict):
            raise BadField('The body must be a JSON object, like {"on": true}.')
        return cls(values)

    def refuse_others(self, *known: str) -> None:
        """Raise for a member that is not among the known ones, so that a typing error does not pass silently."""
        for name in self._values:
            if name not in known:
                choices = ", ".join(known) if known else "none"
                raise BadField(f'There is no field "{name}" here; the fields are: {choices}.')

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str, default: str | None = None) -> str:
        """A text; without a default it must be there and not empty."""
        value = self._values.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str):
            raise BadField(f'"{name}" must be a text.')
        if not value and default is None:
            raise BadField(f'"{name}" must not be empty.')
        return value

    def optional_text(self, name: str) -> str | None:
        """A text, or None where it is missing or null."""
        return None if self._values.get(name) is None else self.text(name)

    def flag(self, name: str, default: bool | None = None) -> bool:
        """True or false; without a default it must be there."""
        value = self._values.get(name, default)
        if not isinstance(value, bool):
            raise BadField(f'"{name}" must be true or false.')
        return value

    def count(self, name: str, default: int | None = None) -> int:
        """A whole number, zero or more."""
        value = self._values.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise BadField(f'"{name}" must be a whole number, zero or more.')
        return value

    def optional_count(self, name: str) -> int | None:
        """A whole number, zero or more, or None where it is missing or null."""
        return None if self._values.get(name) is None else self.count(name)

    def seconds(self, name: str, default: float | None = None) -> float:
        """Seconds, zero or more."""
        value = self._values.get(name, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e12:
            raise BadField(f'"{name}" must be a number, zero or more.')
        return float(value)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts, possibly empty."""
        value = self._values.get(name)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise BadField(f'"{name}" must be a list of texts.')
        return tuple(value)
