"""Why there is no browser, each as one sentence that says what to do.

BrowserError
├── BrowserMissing        none installed, or the given path is none
├── BrowserDied           it ended while starting; with the end of its log
│   └── SandboxRefused    no user namespaces for its sandbox
├── ProfileLocked         another process works with this profile
├── ProfileUnusable       the profile cannot be made, or cannot be reached by the browser's user
└── AssetMissing          the installation lacks wa-js
"""

from __future__ import annotations


class BrowserError(Exception):
    """The browser cannot be used; the message is a sentence for a person."""

    code = "browser_error"


class BrowserMissing(BrowserError):
    """No browser was found."""

    code = "browser_missing"


class BrowserDied(BrowserError):
    """The browser ended while starting."""

    code = "browser_died"


class SandboxRefused(BrowserDied):
    """The system grants the browser no user namespaces, so it has no sandbox; we never start it without one."""

    code = "no_user_namespaces"


class ProfileLocked(BrowserError):
    """Another process holds the profile."""

    code = "profile_locked"


class ProfileUnusable(BrowserError):
    """The profile's folder cannot be used."""

    code = "profile_unusable"


class AssetMissing(BrowserError):
    """wa-js is not part of this installation."""

    code = "asset_missing"
