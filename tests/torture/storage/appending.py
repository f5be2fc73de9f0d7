"""A process that appends to a journal as the agent does, and says of each entry what became of it.

`python -m tests.torture.storage.appending FILE`; each line of its input is one entry to append. It answers `kept N`, or
`nothing N` and `unknown N` after which it has opened the journal anew, once that works; N is the entry's WhatsApp id.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub.runtime.database import CommitUnknown, DatabaseError, NothingCommitted
from messenger_hub_agent.journal import Journal


def _say(what: str, number: str) -> None:
    sys.stdout.write(f"{what} {number}\n")
    sys.stdout.flush()


async def _append(file: Path, journal: Journal | None, number: str) -> Journal | None:
    """The journal as it is open afterwards."""
    try:
        journal = journal or await Journal.open(file)
        last = (await journal.view()).last
        entry = pb.JournalEntry(sequence=last + 1, whatsapp_id=number, outcome=pb.Outcome(kind=pb.Outcome.KIND_READ))
        await journal.append([entry])
    except CommitUnknown:
        _say("unknown", number)
    except NothingCommitted:
        _say("nothing", number)
    else:
        _say("kept", number)
        return journal
    if journal is not None:
        try:
            await journal.close()
        except DatabaseError:
            return None
    return None


async def _main(file: Path) -> None:
    journal: Journal | None = None
    for line in sys.stdin:
        journal = await _append(file, journal, line.strip())


asyncio.run(_main(Path(sys.argv[1])))
