"""The store: the only package that knows the database.

The way of a change: `store.py` (put together from one module per topic) -> `writer.py` (groups what waits) ->
`transaction.py` -> `models.py`. Reads go through `reader.py`. What differs between databases is in `sqlite.py` and
`postgresql.py`, behind `database.py`.
"""

from coursekeep_daemon.store.attempts import Attempt, AttemptLimit
from coursekeep_daemon.store.backup import backup_store
from coursekeep_daemon.store.budgets import BudgetBook
from coursekeep_daemon.store.database import Sharing
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
)
from coursekeep_daemon.store.records_daemons import DaemonState, Trouble, TroubleKind
from coursekeep_daemon.store.records_replicas import ReplicaStanding, ReplicaState
from coursekeep_daemon.store.records_work import Crew, Lease, LeaseState, Worker
from coursekeep_daemon.store.shares import Granted, Terms, Told
from coursekeep_daemon.store.store import Store
from coursekeep_daemon.store.users import UserChange
from coursekeep_daemon.store.watching import StoreObserver
from coursekeep_daemon.store.work_state import WorkState

__all__ = [
    "ApiToken",
    "Attempt",
    "AttemptLimit",
    "AuditEvent",
    "BadCursor",
    "BudgetBook",
    "CatalogueCourse",
    "Conflict",
    "Crew",
    "DaemonState",
    "DayCount",
    "Event",
    "Granted",
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
    "ReplicaStanding",
    "ReplicaState",
    "Role",
    "Run",
    "Schedule",
    "SchemaMismatch",
    "Session",
    "Sharing",
    "Slice",
    "Store",
    "StoreError",
    "StoreLocked",
    "StoreObserver",
    "StoreUnavailable",
    "StoredTerm",
    "Terms",
    "Told",
    "Trouble",
    "TroubleKind",
    "User",
    "UserChange",
    "WorkState",
    "Worker",
    "backup_store",
    "move_store",
]
