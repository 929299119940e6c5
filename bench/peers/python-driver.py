"""Drives pg-partsmith for Python through its public API: one question as JSON on each line of standard input.

Times are taken here, around the calls alone: starting Python and importing the library do not count.
"""

import asyncio
import json
import sys
import time

from pg_partsmith import PartitionGranularity, TablePartitionConfig
from pg_partsmith.aio import (
    PartitionLifecycleService,
    PartitionMaintainer,
    PostgresAdvisoryLockManager,
    PostgresMetadataProvider,
    PostgresPartitionRepository,
)
from sqlalchemy.ext.asyncio import create_async_engine


def config_of(wish):
    keep = {} if wish.get("keep") is None else {"retention_count": wish["keep"]}
    return TablePartitionConfig(
        schema="public",
        table_name=wish["table"],
        partition_column="at",
        granularity=PartitionGranularity.DAY,
        create_ahead_count=wish["ahead"],
        **({"retention_count": 100_000} | keep),
    )


def complaints_of(result):
    said = [] if result.error is None else [f"{type(result.error).__name__}: {result.error}"]
    return said + [str(issue) for issue in result.issues]


async def main(url, session_name):
    engine = create_async_engine(url, connect_args={"server_settings": {"application_name": session_name}})
    service = PartitionLifecycleService(
        repo=PostgresPartitionRepository(engine),
        metadata=PostgresMetadataProvider(engine),
        locks=PostgresAdvisoryLockManager(engine),
    )
    maintainer = PartitionMaintainer(service)
    configs = []
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        question = json.loads(line)
        if question["do"] == "prepare":
            configs = [config_of(wish) for wish in question["wishes"]]
            answer = {"ms": 0, "complaints": []}
        else:
            complaints = []
            started = time.perf_counter()
            for config in configs:
                complaints += complaints_of(await maintainer.run_maintenance_safe(config))
            answer = {"ms": (time.perf_counter() - started) * 1000, "complaints": complaints}
        print(json.dumps(answer), flush=True)
    await engine.dispose()


asyncio.run(main(sys.argv[1], sys.argv[2]))
