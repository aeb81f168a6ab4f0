"""Ten processes that share what an LMS bears, beside one that has it all."""

from __future__ import annotations

from fakes.budget_members import Asking, member_process
from fakes.postgres_server import Databases, PostgresServer

from bench.http import server
from bench.table import Measurement

__all__ = ["measure_budget"]

PLACES, SECONDS = 6, 12.0


def measure_budget() -> list[Measurement]:
    """Measure answers per second of ten processes with one budget, beside one process with the same limit."""
    postgres = PostgresServer()
    try:
        with server() as base:
            databases = Databases(postgres.url("postgres"))
            rates = {copies: _rate(databases.migrated(), base, copies) for copies in (1, 10)}
    finally:
        postgres.remove()
    return [
        Measurement(
            what=f"ten processes that share {PLACES} requests at once",
            measured=f"{rates[10]:.0f}/s",
            beside=f"one process with all {PLACES}: {rates[1]:.0f}/s",
            value=rates[10] / rates[1],
            wanted=">= 0.8",
        )
    ]


def _rate(store: str, base: str, copies: int) -> float:
    asked = Asking(store=store, url=base, path="/api", most=PLACES, at_once=8, seconds=SECONDS, brisk=False)
    with member_process(asked, copies=copies) as processes:
        return sum(int(line) for line in processes.communicate(timeout=120)[0].split()) / SECONDS
