"""Telling operators what happened: once per event, to every target of the settings, over restarts.

The store writes a notification in the transaction of the event itself (`store/telling.py`); the courier delivers it to
each target until that has taken it, or gives up. So a process that dies at any point neither loses a message nor makes
a second one; only a death between sending and noting sends one again, with the same id.
"""
