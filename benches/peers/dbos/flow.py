"""The reference flow on DBOS: send, wait 1 s, send, for many users at once.

    python flow.py FOLDER USERS

The system database is a SQLite file in FOLDER. Prints one line of JSON, then stays until its standard input ends, so
that its memory can still be read.
"""

import asyncio
import json
import sqlite3
import sys
import time

from dbos import DBOS

FOLDER, USERS = sys.argv[1], int(sys.argv[2])
FILE = f"{FOLDER}/dbos.sqlite"

# DBOS leaves SQLite's journal as it finds it. Segflow uses the write-ahead log too, and with the journal that SQLite
# has by default the flow takes twice as long. `synchronous` stays FULL, so each commit waits for the disk.
with sqlite3.connect(FILE) as connection:
    connection.execute("PRAGMA journal_mode = WAL")

DBOS(
    config={
        "name": "peer",
        "system_database_url": f"sqlite:///{FILE}",
        "log_level": "WARNING",
        # SQLite has one writer: more connections only wait for each other.
        "sys_db_pool_size": 2,
    }
)

sends = 0
first = None


@DBOS.step()
async def send(user):
    """The provider: it only counts."""
    global sends
    sends += 1


@DBOS.workflow()
async def pair(user):
    global first
    first = first or time.perf_counter()
    await send(user)
    await DBOS.sleep_async(1)
    await send(user)


async def main():
    starts = [DBOS.start_workflow_async(pair, f"user-{user}") for user in range(USERS)]
    handles = await asyncio.gather(*starts)
    # A result is there when it is committed.
    await asyncio.gather(*[handle.get_result() for handle in handles])
    return time.perf_counter() - first


DBOS.launch()
took = asyncio.run(main())
with sqlite3.connect(FILE) as connection:
    finished = connection.execute("SELECT count(*) FROM workflow_status WHERE status = 'SUCCESS'").fetchone()[0]
    assert finished == USERS, f"{finished} of {USERS} have finished"
print(json.dumps({"took": took, "sends": sends}), flush=True)
sys.stdin.read()
DBOS.destroy()
