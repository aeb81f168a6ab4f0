"""Tests that every connector must pass, built-in or third-party. Needs ``coursekeep[testing]``.

Inherit `ConnectorContract` and say which LMS to speak to::

    class TestSlate(ConnectorContract):
        @pytest.fixture
        def connector(self, lms):
            return SlateConnector(SlateSettings(base_url=lms.url, token="made-up"), retry=NO_RETRY)

        @pytest.fixture
        def known(self):
            return Known(ended="7", missing="999", forbidden="8")

The connector is opened and closed within each test, by an event loop of the test's own: a fake LMS must run in a
thread or process of its own, or be an injected `httpx.MockTransport`. No asynchronous pytest plugin is needed.
"""

from coursekeep.testing.contract import ConnectorContract
from coursekeep.testing.export import Export, Known, collect

__all__ = ["ConnectorContract", "Export", "Known", "collect"]
