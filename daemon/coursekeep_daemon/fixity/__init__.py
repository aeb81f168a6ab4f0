"""Fixity: every package is read again within a period, what is wrong is found, told and, from a replica, repaired.

The service puts it together from `service.py`; `records.py` holds the plain values that the store knows too.
"""
