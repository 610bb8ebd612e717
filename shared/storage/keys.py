"""Names of keys, injective for any id.

    cm:{7k}:wake                          sessions of bucket 7k that wait, by wake time
    cm:{7k}:t:acme:ses:<session id>       a session's head; :in, :msg, :pending, :req beside it
    cm:{7k}:t:acme:cus:<customer>:...     what belongs to a customer
    cm:t:acme:agent                       what belongs to a tenant
    cm:{t:acme}:requests:open             what can be listed of a tenant, in one slot

The bucket in braces is the hash tag of a Redis Cluster: all keys of a customer share one slot, so one script may
touch them. Scripts build the names below `cm:{7k}:` themselves (`lua/names.lua`).
"""

from __future__ import annotations

import hashlib
import re
from urllib.parse import quote

_TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

ACCESS_KEYS = "cm:keys"
BUCKETS = "cm:buckets"
CALIBRATION = "cm:calibration"
CALLBACKS = "cm:callbacks"
HOOKS = "cm:{hooks}"
RUNNING = "cm:batches:running"
TENANTS = "cm:tenants"
WORKERS = "cm:workers"
FLIGHTS = "cm:summaries:flights"
COLD = "cm:memory:cold"
FINISHED_CHANNEL = "cm:finished"
LISTEN_CHANNEL = "cm:listen"


def encode(text: str) -> str:
    """Return `text` as one key segment: percent-encoded UTF-8, so no two texts share a segment."""
    return quote(text, safe="")


def valid_tenant(tenant: str) -> bool:
    """Return whether `tenant` may name a tenant: lower-case letters, digits and hyphens, at most 63."""
    return _TENANT.fullmatch(tenant) is not None


def wake_key(bucket: str) -> str:
    """Return the bucket's wake index; the name every script is routed by."""
    return f"cm:{{{bucket}}}:wake"


def erasing_key(bucket: str) -> str:
    """Return the key of the bucket's customers that are being erased."""
    return f"cm:{{{bucket}}}:erasing"


def merging_key(bucket: str) -> str:
    """Return the key of the merges into the bucket's customers that are under way."""
    return f"cm:{{{bucket}}}:merging"


def agent_key(tenant: str) -> str:
    """Return the key of the tenant's instructions."""
    return f"cm:t:{tenant}:agent"


def batch_key(tenant: str, batch_id: str) -> str:
    """Return the key of a tenant's batch."""
    return f"cm:t:{tenant}:batch:{encode(batch_id)}"


def batches_key(tenant: str) -> str:
    """Return the key of the list of a tenant's batches."""
    return f"cm:t:{tenant}:batches"


def counts_key(tenant: str) -> str:
    """Return the key of a tenant's counts."""
    return f"cm:t:{tenant}:counts"


def deliveries_key(tenant: str, status: str) -> str:
    """Return the key of the list of a tenant's deliveries that stand so."""
    return f"cm:t:{tenant}:deliveries:{status}"


def index_key(tenant: str, part: str) -> str:
    """Return the key of a part of a tenant's index. All of it shares a slot, which no bucket's name can name."""
    return f"cm:{{t:{tenant}}}:{part}"


def once_key(tenant: str, session_id: str, name: str) -> str:
    """Return the name of what happens once in a session; the name it was given is not stored."""
    return f"once:{hashlib.sha256(f'{tenant}/{session_id}/{name}'.encode()).hexdigest()}"


def tenant_hooks_key(tenant: str) -> str:
    """Return the key of the ids of a tenant's hooks; it lies in the slot of the hooks themselves."""
    return f"{HOOKS}:t:{tenant}"


def place_key(tenant: str, conversation_id: str) -> str:
    """Return the key of where a conversation is kept; its id itself is not stored."""
    return f"cm:t:{tenant}:place:{hashlib.sha256(conversation_id.encode()).hexdigest()}"


def idempotency_key(tenant: str, key: str) -> str:
    """Return the key that an Idempotency-Key of a tenant is reserved under; the key itself is not stored."""
    return f"cm:t:{tenant}:idem:{hashlib.sha256(key.encode()).hexdigest()}"
