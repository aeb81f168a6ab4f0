"""The control API: FastAPI under `/api/v1`, errors as RFC 9457 problems, bearer tokens with scopes."""

from coursekeep_daemon.api.app import PREFIX, close_api, create_api

__all__ = ["PREFIX", "close_api", "create_api"]
