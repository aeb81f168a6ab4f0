"""The daemon itself: versions, storage, database, workers."""

from __future__ import annotations

from fastapi import APIRouter

from coursekeep_daemon.api.errors import domain_errors
from coursekeep_daemon.api.security import Reader
from coursekeep_daemon.api.state import Daemon
from coursekeep_daemon.api.system_models import System, Worker, WorkerList, system_answer

__all__ = ["router"]

router = APIRouter(tags=["health"])


@router.get("/system", summary="Show how the daemon stands")
async def show_system(service: Daemon, caller: Reader) -> System:
    """Show versions, storage, database, workers and the next times at which terms are read.

    It reads little and writes nothing, so that it may be asked often.
    """
    with domain_errors():
        return system_answer(await service.system())


@router.get("/workers", summary="List workers")
async def list_workers(service: Daemon, caller: Reader) -> WorkerList:
    """List the processes that take courses. There are none where the daemon archives the courses itself."""
    with domain_errors():
        return WorkerList(items=[Worker.model_validate(each) for each in await service.store.workers()])
