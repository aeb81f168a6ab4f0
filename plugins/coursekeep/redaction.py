"""What must not be kept: rules that take secrets and volatile values out of answers before they are written.

A rule names keys of JSON objects, or parameters or path segments of addresses inside any text. The framework applies
the connector's rules and `ALWAYS` to every record, raw page and gap, and lists in ``provenance/redactions.json`` what
each rule took out and how often.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ALWAYS", "Redaction"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Redaction:
    """One rule. Keys are removed with their values; parameters' values and path segments become `REMOVED`."""

    name: str
    #: why, for whoever opens the package
    reason: str
    #: keys of JSON objects, compared without regard to case
    keys: frozenset[str] = frozenset()
    #: names of query parameters in addresses anywhere in text
    parameters: frozenset[str] = frozenset()
    #: paths after which the next segment of an address is secret, `*` for any one: `feed.php`, `rss/file.php/*`
    paths: frozenset[str] = frozenset()


#: applied to every connector
ALWAYS: tuple[Redaction, ...] = (
    Redaction(
        name="credentials",
        reason="Tokens, passwords and keys open the LMS to whoever reads them.",
        keys=frozenset({"access_token", "refresh_token", "password", "client_secret", "private_key", "api_key"}),
        parameters=frozenset({"access_token", "token", "wstoken", "password", "api_key", "sf_verifier"}),
    ),
    Redaction(
        name="signed_addresses",
        reason="Signed addresses grant access, expire within minutes, and differ at every reading.",
        parameters=frozenset(
            {
                "signature",
                "expires",
                "policy",
                "key-pair-id",
                "x-amz-algorithm",
                "x-amz-credential",
                "x-amz-date",
                "x-amz-expires",
                "x-amz-security-token",
                "x-amz-signature",
            }
        ),
    ),
)
