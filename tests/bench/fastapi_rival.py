"""A rival: FastAPI with validation and one durable commit for each row (WAL, synchronous=FULL). Says its port; see `children`.

Its database is the file that the first argument names.
"""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import sys
import threading
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, Field

from tests.bench.baseline import PATH
from tests.bench.children import answer, commands

TABLE = "CREATE TABLE message (id INTEGER PRIMARY KEY, recipient TEXT NOT NULL, body TEXT NOT NULL)"


class Message(BaseModel):
    """What is posted."""

    mobile: Annotated[str, Field(pattern=r"^\d{6,15}$")]
    message: Annotated[str, Field(min_length=1, max_length=4096)]


class Rows:
    """One connection, one commit a row."""

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self._turn = threading.Lock()
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute(TABLE)

    def insert(self, one: Message) -> int:
        """Its number, once it is durable."""
        with self._turn:
            statement = "INSERT INTO message (recipient, body) VALUES (?, ?)"
            number = self._connection.execute(statement, (one.mobile, one.message)).lastrowid
        assert number is not None
        return number


def app_of(rows: Rows) -> FastAPI:
    """The program, as its tutorial would have it."""
    app = FastAPI()

    @app.post(PATH, status_code=201)
    def send(one: Message) -> dict[str, Any]:
        data = {"message_id": rows.insert(one), "recipient": one.mobile, "status": "pending"}
        return {"success": True, "message": "Message queued successfully", "data": data}

    return app


async def main() -> None:
    """Until standard input ends."""
    rows = Rows(Path(sys.argv[1]))
    # Without WebSockets, which it would load by whatever library is there.
    settings = {"ws": "none", "log_level": "warning", "access_log": False, "backlog": 1024}
    server = uvicorn.Server(uvicorn.Config(app_of(rows), host="127.0.0.1", port=0, **settings))  # type: ignore[arg-type]
    serving = asyncio.create_task(server.serve())
    while not server.started:
        if serving.done():
            serving.result()
        await asyncio.sleep(0.01)
    gc.collect()
    gc.freeze()
    answer({"port": server.servers[0].sockets[0].getsockname()[1]})
    await (await commands()).read()
    server.should_exit = True
    await serving


if __name__ == "__main__":
    asyncio.run(main())
