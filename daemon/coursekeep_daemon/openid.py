"""Sign-in with OpenID Connect: authorization code flow with PKCE, state and nonce; the ID token is checked here.

Requests and claims follow Authlib; keys and signatures are joserfc's, on which Authlib builds. Authlib's own client for
httpx is not used: it is deprecated in favour of another library, and warns at every import.
"""

from __future__ import annotations

import hmac
import json
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

import httpx
import structlog
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from coursekeep_daemon.accounts import check_name
from coursekeep_daemon.requests import BadRequest
from coursekeep_daemon.settings import OidcSettings, is_loopback
from coursekeep_daemon.store import Conflict, Role, Store, User, UserChange

__all__ = ["NotAllowedIn", "OpenId", "Pending", "ProviderFault"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: signatures that only the provider can make: never `none`, never one made with a shared secret
_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
#: seconds by which the clocks may differ
_LEEWAY = 60
#: seconds for which the provider's description of itself is used
_DESCRIPTION_LASTS = 3600
#: bytes; longer answers are not read to their end
_LONGEST_ANSWER = 1024 * 1024
#: sign-ins that came to an end and are remembered, so that none is used twice
_REMEMBERED = 10_000


class ProviderFault(Exception):
    """The provider did not answer, or said something that cannot be believed. The message is for people."""


class NotAllowedIn(Exception):
    """The provider says who it is, and nobody of that kind is let in. The message is for whoever tried."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pending:
    """A sign-in that is under way; kept in a cookie of the browser that began it."""

    state: str
    nonce: str
    verifier: str
    #: page to go to afterwards
    wanted: str
    began: float

    def to_cookie(self) -> str:
        """Return it as text for a cookie."""
        return quote(json.dumps(asdict(self)))

    @classmethod
    def from_cookie(cls, text: str) -> Pending | None:
        """Read what `to_cookie` wrote; None for anything else."""
        try:
            found = cls(**json.loads(unquote(text)))
        except (ValueError, TypeError):
            return None
        texts = (found.state, found.nonce, found.verifier, found.wanted)
        return found if all(isinstance(each, str) and each for each in texts) and _is_number(found.began) else None


class OpenId:
    """Signs users in at one OpenID provider."""

    #: seconds that a sign-in at the provider may take
    PATIENCE: Final = 600

    def __init__(
        self, store: Store, settings: OidcSettings, client_secret: str | None, *, clock: Callable[[], float] = time.time
    ) -> None:
        """Take the settings with the secret that they refer to. Asks nobody yet."""
        self._store = store
        self._settings = settings
        self._secret = client_secret
        self._clock = clock
        self._description: tuple[float, Mapping[str, Any]] | None = None
        self._used: OrderedDict[str, None] = OrderedDict()

    @property
    def label(self) -> str:
        """What the button says."""
        return self._settings.label

    async def begin(self, redirect_to: str, wanted: str) -> tuple[str, Pending]:
        """Return the address at which the provider asks who it is, and what to keep till then.

        Raises `ProviderFault`.
        """
        pending = Pending(
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            wanted=wanted,
            began=self._clock(),
        )
        async with self._client() as client:
            description = await self._described(client)
        address = prepare_grant_uri(
            description["authorization_endpoint"],
            client_id=self._settings.client_id,
            response_type="code",
            redirect_uri=redirect_to,
            scope=self._settings.scope,
            state=pending.state,
            nonce=pending.nonce,
            code_challenge=create_s256_code_challenge(pending.verifier),
            code_challenge_method="S256",
        )
        return str(address), pending

    def accepts(self, pending: Pending | None, state: str) -> bool:
        """Tell whether an answer belongs to a sign-in that this browser began a moment ago; it does so only once."""
        if pending is None or not hmac.compare_digest(pending.state.encode(), state.encode()):
            return False
        if not 0 <= self._clock() - pending.began < self.PATIENCE or pending.state in self._used:
            return False
        self._used[pending.state] = None
        if len(self._used) > _REMEMBERED:
            self._used.popitem(last=False)
        return True

    async def finish(self, code: str, redirect_to: str, pending: Pending) -> User:
        """Return the user whom a code of the provider stands for, added at the first sign-in.

        Raises `ProviderFault`, and `NotAllowedIn` where no role fits, the user is disabled, or the name is another's.
        """
        async with self._client() as client:
            description = await self._described(client)
            token = await self._id_token(client, description, code, redirect_to, pending.verifier)
            keys = await self._answer(client.build_request("GET", description["jwks_uri"]), client)
        claims = self._checked(token, keys, pending.nonce)
        return await self._user(claims)

    def _client(self) -> httpx.AsyncClient:
        # an answer that leads elsewhere is not followed, and a proxy could not reach a provider on loopback
        return httpx.AsyncClient(timeout=10, trust_env=not is_loopback(self._settings.issuer))

    async def _described(self, client: httpx.AsyncClient) -> Mapping[str, Any]:
        if self._description is not None and self._clock() - self._description[0] < _DESCRIPTION_LASTS:
            return self._description[1]
        address = f"{self._settings.issuer.rstrip('/')}/.well-known/openid-configuration"
        found = await self._answer(client.build_request("GET", address), client)
        if found.get("issuer") != self._settings.issuer:
            raise ProviderFault("it calls itself by another name than `oidc.issuer` in the settings")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not isinstance(found.get(name), str) or not self._may_ask(found[name]):
                raise ProviderFault(f"its {name} is missing or not at an https address")
        self._description = self._clock(), found
        return found

    def _may_ask(self, address: str) -> bool:
        if urlsplit(address).scheme == "https":
            return True
        return is_loopback(self._settings.issuer) and is_loopback(address)

    async def _id_token(
        self, client: httpx.AsyncClient, description: Mapping[str, Any], code: str, redirect_to: str, verifier: str
    ) -> str:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_to,
            "code_verifier": verifier,
        }
        auth: httpx.Auth | None = None
        methods = description.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if self._secret is not None and "client_secret_basic" in methods:
            # RFC 6749 2.3.1: both are form-encoded before they are joined
            auth = httpx.BasicAuth(quote(self._settings.client_id, safe=""), quote(self._secret, safe=""))
        else:
            form["client_id"] = self._settings.client_id
            if self._secret is not None:
                form["client_secret"] = self._secret
        request = client.build_request("POST", description["token_endpoint"], data=form)
        found = await self._answer(request, client, auth)
        if not isinstance(found.get("id_token"), str):
            raise ProviderFault("it gave no ID token")
        return str(found["id_token"])

    async def _answer(
        self, request: httpx.Request, client: httpx.AsyncClient, auth: httpx.Auth | None = None
    ) -> dict[str, Any]:
        """Return the JSON object that a request is answered with. Raises `ProviderFault`."""
        try:
            response = await client.send(request, auth=auth, stream=True)
            try:
                body = b""
                async for part in response.aiter_bytes():
                    body += part
                    if len(body) > _LONGEST_ANSWER:
                        raise ProviderFault("its answer is too long")
            finally:
                await response.aclose()
        except httpx.HTTPError as error:
            raise ProviderFault("it does not answer") from error
        if response.status_code != 200:
            raise ProviderFault(f"it answered {response.status_code}")
        try:
            found = json.loads(body)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ProviderFault("its answer makes no sense")
        return found

    def _checked(self, token: str, keys: dict[str, Any], nonce: str) -> Mapping[str, Any]:
        """Return the claims of an ID token that the provider made for us, now, for this sign-in."""
        options = {
            "iss": {"essential": True, "value": self._settings.issuer},
            "aud": {"essential": True, "value": self._settings.client_id},
            "sub": {"essential": True},
        }
        params = {"nonce": nonce, "client_id": self._settings.client_id}
        try:
            known = KeySet.import_key_set(keys)  # type: ignore[arg-type]  # as answered: it judges the shape itself
            found = jwt.decode(token, known, algorithms=list(_ALGORITHMS))
            claims = CodeIDToken(found.claims, found.header, options, params)
            claims.validate(now=int(self._clock()), leeway=_LEEWAY)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            log.warning("id_token_refused", reason=type(error).__name__)
            raise ProviderFault("its ID token cannot be believed") from error
        return dict(claims)

    async def _user(self, claims: Mapping[str, Any]) -> User:
        role = self._role(claims.get(self._settings.role_claim))
        issuer, subject = self._settings.issuer, str(claims["sub"])
        known = await self._store.user_of_subject(issuer, subject)
        if role is None:
            if known is not None:  # who lost every role at the provider is not left signed in elsewhere
                await self._store.end_sessions(known.id)
            raise NotAllowedIn("Your account has no role in Coursekeep. Ask whoever administers it.")
        if known is None:
            return await self._add(self._name(claims), role, issuer, subject)
        if known.disabled_at is not None:
            raise NotAllowedIn(f"The account {known.name} is disabled. Ask an administrator of Coursekeep.")
        return known if known.role is role else await self._store.change_user(known.id, UserChange(role=role))

    async def _add(self, name: str, role: Role, issuer: str, subject: str) -> User:
        try:
            made = await self._store.create_user(name, role, issuer=issuer, subject=subject)
        except Conflict:
            raise NotAllowedIn(
                f"There is another account named {name} in Coursekeep, which does not belong to this sign-in. "
                "Ask an administrator of Coursekeep."
            ) from None
        await self._store.audit(made.name, "user.add", made.name, "done", {"role": role, "via": "openid"})
        return made

    def _name(self, claims: Mapping[str, Any]) -> str:
        name = claims.get(self._settings.name_claim)
        try:
            check_name(name if isinstance(name, str) else "")
        except BadRequest:
            raise ProviderFault(f"its claim {self._settings.name_claim} holds no name that can be used") from None
        return str(name)

    def _role(self, claim: object) -> Role | None:
        """Return the highest role that a claim's values stand for; None for none."""
        values = {claim} if isinstance(claim, str) else set()
        if isinstance(claim, list):
            values = {each for each in claim if isinstance(each, str)}
        fitting = [
            role for role in Role if "*" in (named := self._settings.roles.get(role, ())) or values.intersection(named)
        ]
        return fitting[-1] if fitting else None


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
