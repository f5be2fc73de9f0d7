"""Whether a wa-js fits a version of WhatsApp Web: asked by `messenger-hub doctor`, and by the agent before it works with a newer one."""

from __future__ import annotations

from collections.abc import Sequence

from messenger_hub_agent.whatsapp.page import Bindings

# What operations cannot do without; of the rest, wa-js has many names that nothing here uses.
NEEDED = frozenset(
    {
        "ApiContact", "ChatStore", "Cmd", "Conn", "ContactStore", "GroupMetadataStore", "MsgKey", "MsgStore", "Socket",
        "Stream", "WidFactory", "functions.addAndSendMsgToChat", "functions.findOrCreateLatestChat",
        "functions.getHistorySyncProgress", "functions.getIsMyContact", "functions.isAuthenticated",
        "functions.queryWidExists", "functions.saveContactActionV2", "functions.deleteContactActionV2",
    }
)  # fmt: skip


def lacking(bindings: Bindings) -> Sequence[str]:
    """What sending needs and did not resolve, sorted. A name that this wa-js does not know at all counts too."""
    return sorted(NEEDED - set(bindings.resolved))
