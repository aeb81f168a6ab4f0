"""Settings of a Kolibri integration."""

from __future__ import annotations

from pydantic import Field, SecretStr

from coursekeep import SettingsModel

__all__ = ["KolibriSettings"]


class KolibriSettings(SettingsModel):
    """What an operator may set for one Kolibri server."""

    base_url: str = Field(
        title="Address",
        description="Address of the Kolibri server, for example https://kolibri.example.edu.",
        pattern="^https?://",
    )
    username: str = Field(
        min_length=1, title="User name", description="User name of a facility coach made for Coursekeep."
    )
    password: SecretStr = Field(title="Password", description="Password of this user.")
    facility: str = Field(
        "",
        title="Facility",
        description="Id or name of the facility whose classes to archive. Empty means the server's default facility.",
    )
    ended_classes: tuple[str, ...] = Field(
        (),
        title="Ended classes",
        description="Which classes have ended, by name with * for any text, or by id: Kolibri itself does not say.",
    )
    demographics: bool = Field(
        False,
        title="Demographics",
        description="Also keep gender, birth year and the facility's own questions about people. Off.",
    )
    page_size: int = Field(
        200, ge=1, le=10_000, title="Page size", description="People to ask for at one time, where Kolibri gives pages."
    )
    max_concurrency: int = Field(
        2, ge=1, le=256, title="Requests at once", description="Most requests in flight to this server at one time."
    )
    timeout: float = Field(
        60.0, gt=0, title="Time-out", description="Seconds without a byte after which a request counts as failed."
    )
    contact: str = Field(
        "", title="Contact", description="Mail or web address sent in the User-Agent, so that the staff can ask."
    )
