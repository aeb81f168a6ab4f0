"""A small LMS that speaks the Canvas API over HTTP, for demos and tests."""

from coursekeep_campus.cartridges import cartridges
from coursekeep_campus.change import add_large_file
from coursekeep_campus.faults import Fault, FaultKind, Faults, Host
from coursekeep_campus.generated import generated
from coursekeep_campus.model import Campus, combine
from coursekeep_campus.oulad import oulad
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
    "add_large_file",
    "cartridges",
    "combine",
    "generated",
    "oulad",
]
