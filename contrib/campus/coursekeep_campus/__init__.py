"""A small LMS that speaks the Canvas API over HTTP, for demos and tests."""

from coursekeep_campus.faults import Fault, FaultKind, Faults, Host
from coursekeep_campus.generated import generated
from coursekeep_campus.model import Campus
from coursekeep_campus.server import CampusServer
from coursekeep_campus.state import Options
from coursekeep_campus.throttle import Throttle

__all__ = [
    "Campus",
    "CampusServer",
    "Fault",
    "FaultKind",
    "Faults",
    "Host",
    "Options",
    "Throttle",
    "generated",
]
