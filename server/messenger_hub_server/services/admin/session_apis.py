"""SessionApiAdminService: session APIs and their keys, for operators."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from google.protobuf.duration_pb2 import Duration
from messenger_hub.admin.v1 import session_api_admin_service_pb2 as pb
from messenger_hub.runtime.clock import Clock
from messenger_hub.v1 import rest_pb2

from messenger_hub_server.errors import ValidationFailed
from messenger_hub_server.model import SessionApi, SessionApiId
from messenger_hub_server.queue import Queue
from messenger_hub_server.registry import Registry
from messenger_hub_server.rpc.chain import CallContext
from messenger_hub_server.services.translation import milliseconds, timestamp

FIRST_SCOPES = frozenset({rest_pb2.SCOPE_SEND, rest_pb2.SCOPE_CONTACTS, rest_pb2.SCOPE_LOOK_UP})
OVERLAP_SECONDS = 24 * 3600
LONGEST_OVERLAP_SECONDS = 30 * 24 * 3600
MOST_LIFETIME_SECONDS = 365 * 24 * 3600
MOST_IMPORTS = 1000
DEACTIVATED = "Cancelled when its session API was deactivated"
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
_OWN_PORT = re.compile(r"^(http:.*):80$|^(https:.*):443$")
_KEY = re.compile(r"[\x21-\x7e]{16,512}")


class SessionApiAdminHandlers:
    """Handlers of SessionApiAdminService."""

    def __init__(self, queue: Queue, registry: Registry, clock: Clock) -> None:
        self._queue = queue
        self._registry = registry
        self._clock = clock

    async def create_session_api(
        self, request: pb.CreateSessionApiRequest, _: CallContext
    ) -> pb.CreateSessionApiResponse:
        """Makes one and its key."""
        channel = self._registry.channel_named(request.channel)
        wanted = SessionApi(
            id=SessionApiId(0),
            name=request.name,
            channel_id=channel.id,
            scopes=_scopes(request.scopes) or FIRST_SCOPES,
            created_at_ms=self._clock.now_ms(),
        )
        expires_at = milliseconds(request.expires_at) if request.HasField("expires_at") else None
        made, key = await self._registry.create_session_api(_with(wanted, request.settings), expires_at)
        return pb.CreateSessionApiResponse(session_api=self._message(made), key=key)

    async def list_session_apis(self, _: pb.ListSessionApisRequest, __: CallContext) -> pb.ListSessionApisResponse:
        """All, by name."""
        return pb.ListSessionApisResponse(session_apis=[self._message(s) for s in self._registry.session_apis()])

    async def update_session_api(
        self, request: pb.UpdateSessionApiRequest, _: CallContext
    ) -> pb.UpdateSessionApiResponse:
        """What is unset stays as it is."""
        found = self._registry.session_api_named(request.session_api)
        scopes = _scopes(request.scopes)
        changed = await self._registry.change_session_api(
            found.id, lambda s: replace(_with(s, request.settings), scopes=scopes or s.scopes)
        )
        return pb.UpdateSessionApiResponse(session_api=self._message(changed))

    async def rotate_session_api(
        self, request: pb.RotateSessionApiRequest, _: CallContext
    ) -> pb.RotateSessionApiResponse:
        """A new key beside the old one."""
        found = self._registry.session_api_named(request.session_api)
        overlap = request.overlap.seconds if request.HasField("overlap") else OVERLAP_SECONDS
        if not 0 <= overlap <= LONGEST_OVERLAP_SECONDS:
            raise ValidationFailed({"overlap": [f"The overlap field must be between 0 and {LONGEST_OVERLAP_SECONDS}."]})
        key = await self._registry.rotate(found.id, overlap * 1000)
        return pb.RotateSessionApiResponse(session_api=self._message(found), key=key)

    async def deactivate_session_api(
        self, request: pb.DeactivateSessionApiRequest, _: CallContext
    ) -> pb.DeactivateSessionApiResponse:
        """Its keys stop working now."""
        found = self._registry.session_api_named(request.session_api)
        changed = await self._registry.change_session_api(found.id, lambda s: replace(s, active=False))
        cancelled = 0
        if request.cancel_queued:
            cancelled = await self._queue.cancel_all(changed.channel_id, session_api_id=changed.id, reason=DEACTIVATED)
        return pb.DeactivateSessionApiResponse(session_api=self._message(changed), cancelled=cancelled)

    async def activate_session_api(
        self, request: pb.ActivateSessionApiRequest, _: CallContext
    ) -> pb.ActivateSessionApiResponse:
        """Its keys work again."""
        found = self._registry.session_api_named(request.session_api)
        changed = await self._registry.change_session_api(found.id, lambda s: replace(s, active=True))
        return pb.ActivateSessionApiResponse(session_api=self._message(changed))

    async def import_session_apis(
        self, request: pb.ImportSessionApisRequest, _: CallContext
    ) -> pb.ImportSessionApisResponse:
        """Takes over keys of the hosted product: all or none."""
        channel = self._registry.channel_named(request.channel)
        made = await self._registry.import_keys(channel.id, _imports(request.imports), FIRST_SCOPES)
        return pb.ImportSessionApisResponse(session_apis=[self._message(s) for s in made])

    def _message(self, session_api: SessionApi) -> pb.SessionApi:
        keys = self._registry.keys_of(session_api.id)
        channel = self._registry.channel(session_api.channel_id)
        return pb.SessionApi(
            id=session_api.id,
            name=session_api.name,
            channel_id=session_api.channel_id,
            channel_name=channel.name if channel is not None else "",
            active=session_api.active,
            scopes=[rest_pb2.Scope.ValueType(s) for s in sorted(session_api.scopes)],
            created_at=timestamp(session_api.created_at_ms),
            expires_at=timestamp(keys[-1].expires_at_ms) if keys else None,
            last_used_at=timestamp(session_api.last_used_at_ms),
            key_ids=[key.key_id for key in keys],
            settings=_settings(session_api),
        )


def _settings(session_api: SessionApi) -> pb.SessionApiSettings:
    lifetime = session_api.default_lifetime_seconds
    return pb.SessionApiSettings(
        default_country=session_api.default_country,
        default_lifetime=Duration(seconds=lifetime) if lifetime else None,
        rate_per_minute=session_api.rate_per_minute,
        quota_per_day=session_api.quota_per_day,
        cors_origins=session_api.cors_origins,
    )


def _with(session_api: SessionApi, settings: pb.SessionApiSettings) -> SessionApi:
    if settings.HasField("default_country"):
        session_api = replace(session_api, default_country=settings.default_country.upper())
    if settings.HasField("default_lifetime"):
        session_api = replace(session_api, default_lifetime_seconds=_lifetime(settings.default_lifetime))
    if settings.HasField("rate_per_minute"):
        session_api = replace(session_api, rate_per_minute=settings.rate_per_minute or None)
    if settings.HasField("quota_per_day"):
        session_api = replace(session_api, quota_per_day=settings.quota_per_day or None)
    if settings.cors_origins:
        session_api = replace(session_api, cors_origins=_origins(settings.cors_origins))
    return session_api


def _lifetime(lifetime: Duration) -> int:
    seconds = lifetime.seconds
    if not 0 <= seconds <= MOST_LIFETIME_SECONDS or (seconds == 0 and lifetime.nanos):
        sentence = "The default lifetime field must be in whole seconds, 365 days at most."
        raise ValidationFailed({"settings.default_lifetime": [sentence]})
    return seconds


def _origins(given: Sequence[str]) -> tuple[str, ...]:
    # As browsers write them: in lower case, without the scheme's own port. A lone empty one takes all off the list.
    origins = tuple(_OWN_PORT.sub(r"\1\2", origin.lower().rstrip("/")) for origin in given if origin)
    if not all(_ORIGIN.fullmatch(origin) for origin in origins):
        raise ValidationFailed(
            {"settings.cors_origins": ["The cors origins field must be origins, for example https://shop.example."]}
        )
    return origins


def _scopes(given: Sequence[rest_pb2.Scope.ValueType]) -> frozenset[int]:
    if any(scope not in rest_pb2.Scope.values() or not scope for scope in given):
        raise ValidationFailed({"scopes": ["The selected scopes is invalid."]})
    return frozenset(int(scope) for scope in given)


def _imports(given: Sequence[pb.ImportSessionApisRequest.Import]) -> Mapping[str, str]:
    if not 1 <= len(given) <= MOST_IMPORTS:
        raise ValidationFailed({"imports": [f"The imports field must have between 1 and {MOST_IMPORTS} items."]})
    sentences = []
    for number, one in enumerate(given, 1):
        if not 1 <= len(one.name.strip()) <= 64 or not one.name.isprintable():
            sentences.append(f"The name of import {number} must have 1 to 64 printable characters.")
        if not _KEY.fullmatch(one.key):
            sentences.append(f"The key of import {number} must be 16 to 512 printable ASCII characters.")
    if len({one.name.strip() for one in given}) != len(given):
        sentences.append("The names of the imports must differ.")
    if sentences:
        raise ValidationFailed({"imports": sentences})
    return {one.name.strip(): one.key for one in given}
