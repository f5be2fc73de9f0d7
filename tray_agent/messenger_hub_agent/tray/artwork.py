"""The tray's pictures: a speech bubble with a sign in it, drawn large and scaled down so that its edges are smooth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Final

from PIL import Image, ImageDraw

from messenger_hub_agent.tray.menu import IconName

SIZE_PIXELS: Final = 64
"""Panels scale it to theirs, mostly 16 to 48."""
_UNITS: Final = 100
"""The signs are drawn on a square of this side."""
_OVERSAMPLING: Final = 6

_GREEN, _BLUE, _AMBER, _RED, _GREY = "#1fa855", "#2f7de1", "#e08a00", "#d93b3b", "#7b828c"

_COLOURS: Mapping[IconName, str] = {
    IconName.LINKED: _GREEN,
    IconName.STARTING: _GREY,
    IconName.PAUSED: _BLUE,
    IconName.OFFLINE: _GREY,
    IconName.UNLINKED: _AMBER,
    IconName.ATTENTION: _AMBER,
    IconName.UPDATE: _RED,
}


@cache
def picture(name: IconName) -> Image.Image:
    """The icon of that name, 64 by 64 pixels with a transparent ground."""
    pen = _Pen(_COLOURS[name])
    pen.bubble()
    _SIGNS[name](pen)
    return pen.picture()


class _Pen:
    """Draws in white on a bubble, in units of a square of 100 by 100."""

    def __init__(self, colour: str) -> None:
        self._scale = SIZE_PIXELS * _OVERSAMPLING / _UNITS
        side = SIZE_PIXELS * _OVERSAMPLING
        self._image = Image.new("RGBA", (side, side), (0, 0, 0, 0))
        self._draw = ImageDraw.Draw(self._image)
        self._colour = colour

    def bubble(self) -> None:
        self._draw.rounded_rectangle(self._at(2, 4, 98, 82), radius=24 * self._scale, fill=self._colour)
        self._draw.polygon(self._at(18, 70, 18, 98, 50, 78), fill=self._colour)

    def line(self, *points: float, width: float = 11) -> None:
        ends = self._at(*points)
        self._draw.line(ends, fill="white", width=round(width * self._scale), joint="curve")
        for x, y in zip(points[::2], points[1::2], strict=True):
            self.dot(x, y, width / 2)

    def dot(self, x: float, y: float, radius: float) -> None:
        self._draw.ellipse(self._at(x - radius, y - radius, x + radius, y + radius), fill="white")

    def box(self, left: float, top: float, side: float) -> None:
        corners = self._at(left, top, left + side, top + side)
        self._draw.rectangle(corners, outline="white", width=round(6 * self._scale))

    def picture(self) -> Image.Image:
        return self._image.resize((SIZE_PIXELS, SIZE_PIXELS), Image.Resampling.LANCZOS)

    def _at(self, *units: float) -> list[float]:
        return [value * self._scale for value in units]


def _tick(pen: _Pen) -> None:
    pen.line(27, 44, 43, 60, 73, 27)


def _dots(pen: _Pen) -> None:
    for x in (27, 50, 73):
        pen.dot(x, 43, 7.5)


def _bars(pen: _Pen) -> None:
    for x in (39, 61):
        pen.line(x, 29, x, 57, width=12)


def _cross(pen: _Pen) -> None:
    pen.line(35, 28, 65, 58)
    pen.line(65, 28, 35, 58)


def _code(pen: _Pen) -> None:
    """Looks like the corners of a QR code."""
    for left, top in ((27, 20), (53, 20), (27, 46)):
        pen.box(left, top, 20)
    pen.dot(63, 56, 6)


def _exclamation(pen: _Pen) -> None:
    pen.line(50, 23, 50, 46, width=12)
    pen.dot(50, 64, 6.5)


def _arrow(pen: _Pen) -> None:
    pen.line(50, 24, 50, 64)
    pen.line(33, 41, 50, 24, 67, 41)


_SIGNS: Mapping[IconName, Callable[[_Pen], None]] = {
    IconName.LINKED: _tick,
    IconName.STARTING: _dots,
    IconName.PAUSED: _bars,
    IconName.OFFLINE: _cross,
    IconName.UNLINKED: _code,
    IconName.ATTENTION: _exclamation,
    IconName.UPDATE: _arrow,
}
