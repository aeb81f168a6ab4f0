"""The doctor: looks at a deployment and says what is wrong and what to do. Changes nothing.

`examine` runs everything: `machine.py` needs nothing but the settings, `database.py` the store, `running.py` a daemon
that answers. What cannot be looked at is said to be so; it never passes for well.
"""

from coursekeep_daemon.doctor.examination import examine
from coursekeep_daemon.doctor.finding import Finding, Health

__all__ = ["Finding", "Health", "examine"]
