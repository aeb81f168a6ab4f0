"""The style, the script and the mark: the same for all, and kept by browsers until they change."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from coursekeep_daemon.api.problems import Problem
from coursekeep_daemon.console.pages import static_file

__all__ = ["router"]

router = APIRouter()


@router.get("/static/{name}")
async def asset(name: str, request: Request) -> Response:
    """Answer with a file. Only its address with the right digest may be kept for good."""
    found = static_file(name)
    if found is None:
        raise Problem(404, "not-found", f"Nothing is at {request.url.path}.")
    content, media_type = found
    keep = "public, max-age=31536000, immutable" if "v" in request.query_params else "no-cache"
    return Response(content, media_type=media_type, headers={"Cache-Control": keep})
