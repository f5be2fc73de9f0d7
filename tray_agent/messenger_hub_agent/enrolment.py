"""How a desktop becomes an agent: a one-time token is traded for a credential, which is kept."""

from __future__ import annotations

from messenger_hub.runtime.dial import DialRefused, Target, dial

from messenger_hub_agent.config import AgentSettings
from messenger_hub_agent.connection import HubAway, HubRefused, enrol
from messenger_hub_agent.folder import AgentFolder, Credential, hash_of


class AgentProblem(Exception):
    """The agent cannot go on; `sentence` says what a person can do."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


def target(settings: AgentSettings) -> Target:
    """Where the hub is, and what it is recognised by."""
    return Target(
        address=settings.server,
        tls=settings.tls,
        ca=settings.ca,
        fingerprint=settings.fingerprint,
        plaintext=settings.insecure,
    )


async def enrolled(settings: AgentSettings, folder: AgentFolder) -> Credential:
    """The credential: the one that is there, or a new one for the token. Raises AgentProblem."""
    kept = folder.credential
    if kept is not None and kept.is_for(settings.enrol_token):
        return kept
    if not settings.enrol_token:
        raise AgentProblem(
            "This desktop is not enrolled yet: on the hub run messenger-hub agent enrol NAME --channel NAME, "
            "and start the agent with --enrol and the token that it shows."
        )
    try:
        async with await dial(target(settings)) as channel:
            answer = await enrol(channel, settings.enrol_token)
    except (DialRefused, HubRefused) as refused:
        raise AgentProblem(refused.sentence) from refused
    except HubAway as away:
        raise AgentProblem(f"The hub at {settings.server} does not answer: {away.sentence.rstrip('.')}.") from away
    credential = Credential(
        agent_id=answer.agent_id,
        name=answer.name,
        credential=answer.credential,
        token_hash=hash_of(settings.enrol_token),
    )
    folder.keep(credential)
    return credential
