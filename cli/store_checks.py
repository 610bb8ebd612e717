"""What `doctor` looks at in the store: does it answer, may it be written, and what does it promise to keep."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from cli.checks import Finding, Patient, Skipped, need, need_store

MIN_VERSION = (7, 0)
ANSWER_SECONDS = 2.0
SLOW_MS = 20.0
PROBE_MS = 10_000

EVERYSEC = "what is acknowledged survives a killed process; a power cut may take the last second"


async def check_store(patient: Patient) -> Finding:
    """Whether the store answers, is new enough, and may be written."""
    settings = need(patient)
    if patient.store_error:
        return Finding("fail", patient.store_error)
    mend = "start it, or mend REDIS_URL"
    try:
        async with _client(settings.store_url) as redis:
            info = await redis.info("server")
            latency = await _latency_ms(redis)
            await _write(redis)
    except (RedisError, OSError, TimeoutError) as error:
        return Finding("fail", f"the store does not serve: {error}", mend)
    name = f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"Redis {info['redis_version']}"
    if _version(str(info["redis_version"])) < MIN_VERSION:
        return Finding("fail", f"{name} is too old", "install Redis 7.0 or later, or Valkey")
    text = f"{name}, writable, answers in {latency:.2f} ms" + (" (embedded)" if patient.embedded else "")
    if latency > SLOW_MS:
        return Finding("warn", text, f"above {SLOW_MS:g} ms each turn waits for it: bring it nearer")
    return Finding("ok", text)


async def check_durability(patient: Patient) -> Finding:
    """What the store promises to keep when it or its machine dies."""
    try:
        async with _client(need_store(patient).store_url) as redis:
            aof = bool((await redis.info("persistence")).get("aof_enabled"))
            settings = await _config(redis, "appendfsync", "save")
    except (RedisError, OSError, TimeoutError) as error:
        raise Skipped(str(error)) from error
    if not aof:
        snapshots = settings.get("save") if settings else "unknown"
        text = f"appendonly is off (snapshots: {snapshots or 'none'}): a restart loses accepted messages"
        return Finding("fail", text, "CONFIG SET appendonly yes, and in the store's configuration")
    fsync = settings.get("appendfsync") if settings else None
    if fsync == "always":
        return Finding("ok", "appendonly, fsync always: what is acknowledged survives a power cut")
    if fsync == "everysec":
        return Finding("ok", f"appendonly, fsync everysec: {EVERYSEC}")
    if fsync is None:
        return Finding(
            "warn", "appendonly is on; CONFIG is denied, so how often it syncs is unknown", "see its operator"
        )
    return Finding("warn", f"appendonly, fsync {fsync}: a crash may lose many seconds", "set appendfsync everysec")


async def check_eviction(patient: Patient) -> Finding:
    """Whether the store would throw records away when its memory is full."""
    try:
        async with _client(need_store(patient).store_url) as redis:
            info = await redis.info("memory")
    except (RedisError, OSError, TimeoutError) as error:
        raise Skipped(str(error)) from error
    policy = str(info.get("maxmemory_policy", "unknown"))
    used, most = str(info.get("used_memory_human")), int(info.get("maxmemory", 0))
    text = f"maxmemory-policy {policy}, {used} used" + (f" of {info.get('maxmemory_human')}" if most else ", no limit")
    if policy != "noeviction":
        return Finding("fail", text + ": it may delete customers' memory", "CONFIG SET maxmemory-policy noeviction")
    return Finding("ok", text)


async def check_replication(patient: Patient) -> Finding:
    """What a failover of the store may lose."""
    try:
        async with _client(need_store(patient).store_url) as redis:
            info = await redis.info("replication")
    except (RedisError, OSError, TimeoutError) as error:
        raise Skipped(str(error)) from error
    if info.get("role") != "master":
        return Finding("fail", "this is a replica: it refuses writes", "name the primary in REDIS_URL")
    replicas = int(info.get("connected_slaves", 0))
    if not replicas:
        return Finding("ok", "no replicas: it is back when it has been restarted")
    text = f"{replicas} replicas; a failover may lose what was acknowledged in its last moments"
    return Finding("warn", text, "set min-replicas-to-write 1 and min-replicas-max-lag to bound it")


@asynccontextmanager
async def _client(url: str) -> AsyncIterator[Redis]:
    redis = Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    try:
        yield redis
    finally:
        await redis.aclose()


async def _latency_ms(redis: Redis) -> float:
    """Return the fastest of a few round trips, in milliseconds."""
    times = []
    for _ in range(5):
        began = time.perf_counter()
        await redis.echo("doctor")
        times.append(time.perf_counter() - began)
    return min(times) * 1000


async def _write(redis: Redis) -> None:
    key = f"customer-memory:doctor:{secrets.token_hex(8)}"
    await redis.set(key, "1", px=PROBE_MS)
    await redis.delete(key)


async def _config(redis: Redis, *names: str) -> dict[str, Any] | None:
    """Return what CONFIG GET says; None where it is denied, as hosted stores like to."""
    try:
        return {str(name): value for name, value in (await redis.config_get(*names)).items()}
    except ResponseError:
        return None


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:2])
