"""What is there after the process was killed."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults

from synapse.storage.database import open_database
from synapse.storage.engines.base import Engine
from synapse.storage.engines.sqlite import SqliteEngine
from tests.storage.base import StoreTestCase
from tests.storage.fresh import SERVER_NAME, postgres_engine
from tests.storage.test_database import add_names

ROOT = Path(__file__).resolve().parent.parent.parent


class CrashTests(StoreTestCase):
    migrated = False

    async def test_every_acknowledged_write_survives_a_kill(self) -> None:
        where = self.engine.path if isinstance(self.engine, SqliteEngine) else self._dbname()
        done = subprocess.run(
            [sys.executable, "-m", __name__, self.engine.name, where],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
        self.assertEqual(done.returncode, 9)
        acknowledged = set(done.stdout.split())
        self.assertGreaterEqual(len(acknowledged), 100)
        database = self.open()
        found = {name for (name,) in await database.fetch("SELECT name FROM names")}
        self.assertEqual(acknowledged - found, set())
        self.assertEqual(database.position, len(found))

    def _dbname(self) -> str:
        connection = self.engine.connect()
        ((name,),) = connection.fetch("SELECT current_database()", ())
        connection.close()
        return str(name)


def write_and_die(engine: Engine) -> None:
    """Write from many coroutines at once, print what was acknowledged, and die amid it."""
    import os

    database = open_database(engine, SERVER_NAME, reactor)
    acknowledged: list[str] = []

    async def client(label: int) -> None:
        for number in range(1000):
            name = f"{label}-{number}"
            await database.write(add_names, name)
            acknowledged.append(name)
            if len(acknowledged) == 100:
                os.write(1, "\n".join(acknowledged).encode())
                os._exit(9)

    clients: Any = gatherResults([Deferred.fromCoroutine(client(label)) for label in range(8)])
    clients.addErrback(lambda failure: os._exit(1))
    run: Any = reactor.run  # type: ignore[misc]
    run()


if __name__ == "__main__":
    kind, where = sys.argv[1:]
    write_and_die(SqliteEngine(where) if kind == "sqlite3" else postgres_engine(where))
