"""What courses cost, as it was measured with this program: see docs/scale.md for how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["KINDS", "STORE", "Kind"]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Courses of one kind: the quantiles of what they take, least and greatest included, evenly spaced."""

    name: str
    #: of all courses: an assumption
    share: float
    requests: tuple[float, ...]
    size: tuple[float, ...]
    #: seconds of a core per request, with all that its answer causes
    cpu: float
    #: and per byte of the package
    cpu_per_byte: float = 0.0

    def requests_at(self, share: float) -> float:
        """Return the number of requests that this share of the courses does not exceed."""
        return _between(self.requests, share)

    def size_at(self, share: float) -> float:
        """Return the bytes that this share of the packages does not exceed."""
        return _between(self.size, share)


def _between(quantiles: Sequence[float], share: float) -> float:
    place = share * (len(quantiles) - 1)
    low = min(int(place), len(quantiles) - 2)
    return quantiles[low] + (quantiles[low + 1] - quantiles[low]) * (place - low)


#: seconds of the writers' lock per course on PostgreSQL: six changes, each in a transaction of its own at 8 ms, as on a
#: machine with other work. Where changes meet, they share one, so this is the most
STORE = 0.048

#: seconds of a core per byte that is downloaded, hashed and written: 445 MB/s
_PER_BYTE = 1 / 445e6

KINDS = (
    # 39 courses of the generated campus, the calls that serve all of them spread evenly
    Kind(
        name="small",
        share=0.5,
        requests=(81, 89, 90, 90, 90, 90, 91, 91, 92, 96, 222),
        size=(0.40e6, 0.43e6, 0.44e6, 0.445e6, 0.45e6, 0.452e6, 0.456e6, 0.46e6, 0.467e6, 0.50e6, 1.16e6),
        cpu=0.0024,
        cpu_per_byte=_PER_BYTE,
    ),
    # 14 published courses (Common Cartridges), served by the campus: content without students
    Kind(
        name="published",
        share=0.2,
        requests=(47, 48, 49, 50, 53, 57, 72, 89),
        size=(0.119e6, 0.123e6, 0.128e6, 0.150e6, 0.180e6, 0.256e6, 6.7e6, 33e6),
        cpu=0.0035,
        cpu_per_byte=_PER_BYTE,
    ),
    # assumed: the first with the files of a course that is taught by slides and papers, one request each
    Kind(
        name="with files",
        share=0.2,
        requests=(120, 200, 300, 400, 600),
        size=(5e6, 50e6, 150e6, 400e6, 2e9),
        cpu=0.0024,
        cpu_per_byte=_PER_BYTE,
    ),
    # assumed: hundreds of students with their submissions, or films
    Kind(
        name="large",
        share=0.1,
        requests=(600, 1_000, 1_500, 3_000, 6_000),
        size=(0.05e9, 0.2e9, 0.5e9, 1e9, 5e9),
        cpu=0.0024,
        cpu_per_byte=_PER_BYTE,
    ),
)
