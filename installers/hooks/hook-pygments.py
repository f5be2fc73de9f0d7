"""Of what it can colour, only Python is ever shown: tracebacks, by rich. That names what it takes at run time."""

from PyInstaller.utils.hooks import collect_submodules

hiddenimports = [
    *collect_submodules("pygments.formatters"),
    *collect_submodules("pygments.styles"),
    "pygments.lexers.python",
    "pygments.lexers.special",
]
