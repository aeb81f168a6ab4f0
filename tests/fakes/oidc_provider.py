"""A small OpenID provider over loopback, which checks what a client sends, and lies where a test wants it to."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import secrets
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal
from urllib.parse import unquote, urlencode

import uvicorn
from joserfc import jws, jwt
from joserfc.jwk import OctKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "Lie", "OidcProvider", "oidc_provider", "oidc_provider_in_thread"]

CLIENT_ID = "coursekeep"
CLIENT_SECRET = "s3cret of the client: %&"

Lie = Literal[
    "nonce", "audience", "issuer", "expired", "key", "none", "hmac", "no_nonce", "no_token", "name", "down", "long"
]


@cache
def _key(name: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": name, "use": "sig"})


@dataclass
class OidcProvider:
    """The provider; `claims` say who signs in next."""

    url: str = ""
    claims: dict[str, Any] = field(default_factory=lambda: {"sub": "17", "preferred_username": "grace"})
    lie: Lie | None = None
    #: what was asked for by code: challenge, nonce, redirect address
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._describe),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
                Route("/jwks", self._jwks),
            ]
        )

    async def _describe(self, request: Request) -> Response:
        if self.lie == "down":
            return Response("out of order", 503)
        if self.lie == "long":
            return Response(b" " * 2_000_000)
        return JSONResponse(
            {
                "issuer": "https://another.example" if self.lie == "issuer" else self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/jwks",
            }
        )

    async def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        assert (asked["client_id"], asked["response_type"]) == (CLIENT_ID, "code")
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        self.asked.append(asked)
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}", 302)

    async def _token(self, request: Request) -> Response:
        form = await request.form()
        kind, _, sent = request.headers.get("authorization", "").partition(" ")
        client, _, secret = base64.b64decode(sent).decode().partition(":")
        asked = self.codes.pop(str(form["code"]), None)  # a code is good once
        challenge = base64.urlsafe_b64encode(hashlib.sha256(str(form["code_verifier"]).encode()).digest())
        if (
            (kind, unquote(client), unquote(secret)) != ("Basic", CLIENT_ID, CLIENT_SECRET)
            or asked is None
            or challenge.rstrip(b"=").decode() != asked["code_challenge"]
            or form["redirect_uri"] != asked["redirect_uri"]
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        answer = {"access_token": "a", "token_type": "Bearer"}
        if self.lie != "no_token":
            answer["id_token"] = self._id_token(asked["nonce"])
        return JSONResponse(answer)

    def _id_token(self, nonce: str) -> str:
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": "another" if self.lie == "audience" else CLIENT_ID,
            "exp": now - 3600 if self.lie == "expired" else now + 300,
            "iat": now - 7200 if self.lie == "expired" else now,
            "nonce": "another" if self.lie == "nonce" else nonce,
            **self.claims,
        }
        if self.lie == "no_nonce":
            del claims["nonce"]
        if self.lie == "none":
            parts = ({"alg": "none"}, claims)
            return ".".join(_encoded(json.dumps(part).encode()) for part in parts) + "."
        if self.lie == "hmac":  # signed with what everybody knows: the public key
            public = OctKey.import_key(_key("good").as_pem(private=False))
            registry = jws.JWSRegistry(algorithms=["HS256"])
            return jwt.encode({"alg": "HS256", "kid": "good"}, claims, public, registry=registry)
        key = _key("bad") if self.lie == "key" else _key("good")
        return jwt.encode({"alg": "RS256", "kid": "good"}, claims, key)

    async def _jwks(self, request: Request) -> Response:
        return JSONResponse({"keys": [_key("good").as_dict(private=False)]})


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


@contextlib.asynccontextmanager
async def oidc_provider() -> AsyncIterator[OidcProvider]:
    """Run a provider on a free port."""
    provider = OidcProvider()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        provider.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(provider.app(), lifespan="off", log_config=None, access_log=False)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server._serve([listener]))
        try:
            yield provider
        finally:
            server.should_exit = True
            await serving


@contextlib.contextmanager
def oidc_provider_in_thread() -> Iterator[OidcProvider]:
    """Run a provider in a thread of its own, for tests whose own thread has no time for it, such as Playwright's."""
    found: list[OidcProvider] = []
    ready, done = threading.Event(), threading.Event()

    async def serve() -> None:
        async with oidc_provider() as provider:
            found.append(provider)
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    try:
        assert ready.wait(30), "the provider did not start"
        yield found[0]
    finally:
        done.set()
        thread.join()
