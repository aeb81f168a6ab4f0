"""The console: the operators' pages, rendered here, usable without JavaScript and alive with it.

The way of a page: `app.py` -> `security.py` (who visits, may they, is the form ours) -> a module of `routes/` ->
`pages.py` -> `templates/`. Pages ask the service and the store as the API does, and hold no state of their own.
"""

from coursekeep_daemon.console.app import ConsoleMount, create_console

__all__ = ["ConsoleMount", "create_console"]
