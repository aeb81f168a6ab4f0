"""The store: the only package that knows the database.

The way of a change: `store.py` (put together from one module per topic) -> `writer.py` (groups what waits) ->
`transaction.py` -> `models.py`. Reads go through `reader.py`. What differs between databases is in `sqlite.py` and
`postgresql.py`, behind `database.py`.
"""

from coursekeep_daemon.store.attempts import Attempt, AttemptLimit
from coursekeep_daemon.store.errors import (
    BadCursor,
    Conflict,
    NaiveDatetime,
    NoSuchRecord,
    OutcomeUnknown,
    SchemaMismatch,
    StoreError,
    StoreLocked,
    StoreUnavailable,
)
from coursekeep_daemon.store.moving import MovedTable, move_store
from coursekeep_daemon.store.records import (
    ApiToken,
    AuditEvent,
    CatalogueCourse,
    DayCount,
    Event,
    Integration,
    Item,
    ItemPlan,
    ItemResult,
    Lease,
    LeaseState,
    PackageVersion,
    Pause,
    PauseLevel,
    Role,
    Run,
    Schedule,
    Session,
    Slice,
    StoredTerm,
    User,
    Worker,
)
from coursekeep_daemon.store.store import Store
from coursekeep_daemon.store.users import UserChange

__all__ = [
    "ApiToken",
    "Attempt",
    "AttemptLimit",
    "AuditEvent",
    "BadCursor",
    "CatalogueCourse",
    "Conflict",
    "DayCount",
    "Event",
    "Integration",
    "Item",
    "ItemPlan",
    "ItemResult",
    "Lease",
    "LeaseState",
    "MovedTable",
    "NaiveDatetime",
    "NoSuchRecord",
    "OutcomeUnknown",
    "PackageVersion",
    "Pause",
    "PauseLevel",
    "Role",
    "Run",
    "Schedule",
    "SchemaMismatch",
    "Session",
    "Slice",
    "Store",
    "StoreError",
    "StoreLocked",
    "StoreUnavailable",
    "StoredTerm",
    "User",
    "UserChange",
    "Worker",
    "move_store",
]
