"""The conformance suite: tests that every connector must pass, built-in or third-party. Needs ``coursekeep[testing]``.

Inherit `ConnectorContract` and say which LMS to speak to::

    class TestSlate(ConnectorContract):
        @pytest.fixture
        def connector(self, lms):
            return SlateConnector(SlateSettings(base_url=lms.url, token="made-up"), retry=NO_RETRY)

        @pytest.fixture
        def known(self):
            return Known(ended="7", missing="999", forbidden="8")

Faults are put between the connector and its LMS by a `Wire` around its transport; for that it is made anew, by
``type(connector)(connector.settings, transport=..., retry=...)``. It is opened and closed within each test, by an event
loop of the test's own: a fake LMS must run in a thread or process of its own, or be an injected `httpx.MockTransport`.
No asynchronous pytest plugin is needed.

Each test has an `Area` and a `Grade`; ``coursekeep connector test`` shows which grade an installed connector reaches.
"""

from coursekeep.testing.canonical import canonical
from coursekeep.testing.contract import ConnectorContract
from coursekeep.testing.export import HOSTILE_NAMES, Export, Known, collect
from coursekeep.testing.grades import Area, Grade, Promise, promise, promises_of
from coursekeep.testing.wire import Fault, Wire

__all__ = [
    "HOSTILE_NAMES",
    "Area",
    "ConnectorContract",
    "Export",
    "Fault",
    "Grade",
    "Known",
    "Promise",
    "Wire",
    "canonical",
    "collect",
    "promise",
    "promises_of",
]
