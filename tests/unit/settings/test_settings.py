"""Settings: what they take, what they refuse, and how they say it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field, SecretStr

from coursekeep import ConnectorSettings, SettingsError
from coursekeep_daemon.archives import open_archive, s3_options
from coursekeep_daemon.origin import find_line
from coursekeep_daemon.settings import connector_settings, load_settings, oidc_secret, store_password

MAIN = '[integrations.main]\nconnector = "canvas"\nbase_url = "https://lms.example.edu"\n'


class Own(ConnectorSettings):
    """A connector's settings."""

    account: str = Field("self", title="Account", description="Account to read.")


@pytest.fixture
def write(tmp_path: Path):
    def _write(text: str) -> Path:
        path = tmp_path / "settings.toml"
        path.write_text(text)
        return path

    return _write


def refusal(path: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    return str(caught.value)


def test_an_empty_file_gives_the_defaults_with_absolute_paths(write):
    """Without any key, every default is in force, and relative paths start from the file's folder."""
    path = write("")

    settings = load_settings(path)

    assert settings.daemon.port == 8350
    assert settings.daemon.data_dir == path.parent / "data"
    assert settings.store.url == f"sqlite:///{path.parent}/data/coursekeep.db"
    assert settings.archive.url == f"file://{path.parent}/archive"
    assert settings.archive.min_free == 2**30


def test_the_file_in_the_repository_holds_exactly_the_defaults():
    """settings.toml at the root changes nothing when it is used as it is."""
    root = Path(__file__).parents[3]

    listed = load_settings(root / "settings.toml")

    assert listed.redacted()["engine"] == type(listed.engine)().model_dump()
    assert listed.daemon.model_copy(update={"data_dir": Path("data")}) == type(listed.daemon)()
    assert listed.archive.min_free == type(listed.archive)().min_free


def test_an_unknown_key_is_refused_with_its_line_and_a_guess(write):
    """A misspelt key names itself, its line, what was probably meant, and what is allowed."""
    said = refusal(write("# mine\n[daemon]\nprot = 1\n"))

    assert "daemon.prot" in said
    assert "settings.toml line 3" in said
    assert "did you mean port?" in said
    assert "data_dir" in said


def test_all_mistakes_are_told_at_once(write):
    """Every wrong key of a file is named in one error."""
    said = refusal(write('[daemon]\nport = "x"\n[archive]\nmin_free = "lots"\n[engine]\nkind = "magic"\n'))

    assert all(key in said for key in ("daemon.port", "archive.min_free", "engine.kind"))
    assert "'local'" in said


def test_text_that_is_not_toml_is_refused_with_its_line(write):
    """A syntax error names the file and the line."""
    said = refusal(write("[daemon]\nport = = 1\n"))

    assert "not TOML" in said
    assert "line 2" in said


def test_an_environment_variable_overrides_the_file(write, monkeypatch):
    """COURSEKEEP_SECTION__KEY wins over the file."""
    monkeypatch.setenv("COURSEKEEP_DAEMON__PORT", "9000")

    assert load_settings(write("[daemon]\nport = 1\n")).daemon.port == 9000


def test_a_bad_environment_variable_is_named(write, monkeypatch):
    """An error in a variable points at the variable, not at the file."""
    monkeypatch.setenv("COURSEKEEP_DAEMON__PORT", "many")

    assert "environment variable COURSEKEEP_DAEMON__PORT" in refusal(write(""))


def test_a_misspelt_section_in_the_environment_is_refused(write, monkeypatch):
    """A variable of a section that does not exist is told of, not left out without a word."""
    monkeypatch.setenv("COURSEKEEP_DEAMON__PORT", "9000")

    assert "did you mean DAEMON?" in refusal(write(""))


def test_a_token_of_digits_in_the_environment_stays_text(write, monkeypatch):
    """A variable is text, even where it looks like a number."""
    monkeypatch.setenv("COURSEKEEP_INTEGRATIONS__MAIN__TOKEN", "1234567")

    settings = load_settings(write(MAIN))

    assert connector_settings(settings, "main", Own).token.get_secret_value() == "1234567"


def test_a_secret_comes_from_the_variable_it_names(write, monkeypatch):
    """`{ env = "NAME" }` is resolved when the connector is made, not before."""
    settings = load_settings(write(MAIN + 'token = { env = "LMS_TOKEN" }\n'))
    with pytest.raises(SettingsError, match="LMS_TOKEN is not set"):
        connector_settings(settings, "main", Own)
    monkeypatch.setenv("LMS_TOKEN", "s3cret")

    again = load_settings(settings.origin.path)

    assert connector_settings(again, "main", Own).token.get_secret_value() == "s3cret"


def test_a_secret_comes_from_the_file_it_names(write, tmp_path):
    """`{ file = "path" }` is read relative to the settings, without its line end."""
    (tmp_path / "token").write_text("s3cret\n")

    settings = load_settings(write(MAIN + 'token = { file = "token" }\n'))

    assert connector_settings(settings, "main", Own).token.get_secret_value() == "s3cret"


def test_a_secret_comes_from_the_credentials_of_the_service(write, tmp_path, monkeypatch):
    """`${CREDENTIALS_DIRECTORY}` in a path of a secret is what that variable says; where it is not set, it is named."""
    (tmp_path / "creds").mkdir()
    (tmp_path / "creds" / "token").write_text("from systemd\n", encoding="utf-8")
    settings = write('[store]\npassword = { file = "${CREDENTIALS_DIRECTORY}/token" }')
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "creds"))
    assert store_password(load_settings(settings)) == "from systemd"

    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    with pytest.raises(SettingsError, match=r"store\.password.*there is no \$\{CREDENTIALS_DIRECTORY\} here"):
        store_password(load_settings(settings))


def test_a_secret_file_that_is_missing_is_named(write):
    """A missing file of a secret is told with key, line and path."""
    settings = load_settings(write(MAIN + 'token = { file = "nowhere" }\n'))

    with pytest.raises(SettingsError, match=r"integrations\.main\.token .*line 4.*nowhere.*cannot be read"):
        connector_settings(settings, "main", Own)


def test_an_unknown_key_of_a_connector_is_refused_with_its_line(write):
    """Keys beyond the daemon's are checked by the connector's own model; both sorts are listed as allowed."""
    settings = load_settings(write(MAIN + 'token = "t"\nacount = "1"\n'))

    with pytest.raises(SettingsError, match=r"integrations\.main\.acount .*line 5.*did you mean account\?") as caught:
        connector_settings(settings, "main", Own)

    assert "courses_at_once" in str(caught.value)


def test_no_secret_is_shown(write):
    """`redacted` shows references to secrets, and hides secrets themselves, also in addresses."""
    text = '[integrations.main]\nconnector = "x"\nbase_url = "https://me:pw@lms.example.edu"\ntoken = "abc123"\n'
    text += 'api_key = { env = "KEY" }\nnested = { password = "hunter2", name = "shown" }\n'

    shown = load_settings(write(text)).redacted()["integrations"]["main"]

    assert not any(secret in str(shown) for secret in ("abc123", "hunter2", "me:pw"))
    assert shown["api_key"] == {"env": "KEY"}
    assert shown["nested"]["name"] == "shown"


def test_a_bad_value_of_a_secret_is_not_shown(write):
    """An error about a secret never holds it."""
    settings = load_settings(write(MAIN + "token = 123456789\n"))

    with pytest.raises(SettingsError) as caught:
        connector_settings(settings, "main", Own)

    assert "123456789" not in str(caught.value)


def test_a_schedule_of_an_unknown_integration_is_refused(write):
    """A schedule names an integration of the same settings."""
    said = refusal(write(MAIN + '[schedules.ended]\nintegration = "mian"\ncron = "0 3 * * *"\n'))

    assert "schedules.ended.integration" in said
    assert "line 5" in said
    assert "did you mean main?" in said


@pytest.mark.parametrize(
    ("key", "value"), [("ended_for", "half a year"), ("time_zone", "Mars/Olympus"), ("of", "year")]
)
def test_a_bad_value_of_a_schedule_is_refused(write, key, value):
    """Spans, time zones and kinds of end are checked when the settings are read."""
    said = refusal(write(MAIN + f'[schedules.ended]\nintegration = "main"\ncron = "0 3 * * *"\n{key} = "{value}"\n'))

    assert f"schedules.ended.{key}" in said
    assert "line 7" in said


def test_a_missing_file_is_named(tmp_path):
    """Settings that cannot be read say which file and why."""
    assert "none.toml" in refusal(tmp_path / "none.toml")


def test_the_line_of_a_dotted_key_is_found():
    """A key is found in a table, as a dotted key, and at its table where it has no line of its own."""
    text = 'daemon.port = 1\n[a]\n[a.b]\n"c" = 1\n'

    assert find_line(text, ("daemon", "port")) == 1
    assert find_line(text, ("a", "b", "c")) == 4
    assert find_line(text, ("a", "b", "missing")) == 3
    assert find_line(text, ("x",)) is None


def test_secret_str_is_what_the_token_is(write, monkeypatch):
    """A resolved secret does not show itself when it is printed."""
    monkeypatch.setenv("LMS_TOKEN", "s3cret")
    settings = load_settings(write(MAIN + 'token = { env = "LMS_TOKEN" }\n'))

    own = connector_settings(settings, "main", Own)

    assert isinstance(own.token, SecretStr)
    assert "s3cret" not in repr(own)
    assert "s3cret" not in repr(settings)


def test_proxies_are_addresses(write):
    """`daemon.trusted_proxies` takes addresses and networks, and nothing that would believe everybody."""
    good = load_settings(write('[daemon]\ntrusted_proxies = ["127.0.0.1", "10.0.0.0/8", "::1"]\n'))

    assert good.daemon.trusted_proxies == ("127.0.0.1", "10.0.0.0/8", "::1")
    assert "daemon.trusted_proxies" in refusal(write('[daemon]\ntrusted_proxies = ["*"]\n'))


OIDC = """
[oidc]
issuer = "https://login.example.edu"
client_id = "coursekeep"
scope = "openid groups"
name_claim = "email"
role_claim = "roles"
roles = { viewer = ["*"], administrator = ["it"] }
label = "Campus account"
"""


def test_the_provider_of_sign_ins_is_set(write, monkeypatch):
    """`[oidc]` names the provider; its client_secret is a reference that is resolved at the start, and never shown."""
    settings = load_settings(write(OIDC + 'client_secret = { env = "OIDC_SECRET" }\n'))
    with pytest.raises(SettingsError, match=r"oidc\.client_secret .*OIDC_SECRET is not set"):
        oidc_secret(settings)
    monkeypatch.setenv("OIDC_SECRET", "s3cret")
    settings = load_settings(write(OIDC + 'client_secret = { env = "OIDC_SECRET" }\n'))
    plain = load_settings(write(OIDC + 'client_secret = "s3cret"\n'))

    assert oidc_secret(settings) == "s3cret"
    assert (settings.oidc.scope, settings.oidc.name_claim, settings.oidc.role_claim, settings.oidc.label) == (
        "openid groups",
        "email",
        "roles",
        "Campus account",
    )
    assert "s3cret" not in repr(plain) + str(plain.redacted()) + repr(settings)
    assert oidc_secret(load_settings(write(""))) is None


@pytest.mark.parametrize(
    ("line", "says"),
    [('client_secret = { env = "A", file = "B" }', "oidc.client_secret"), ("rolls = {}", "did you mean roles")],
)
def test_a_wrong_key_of_the_provider_is_named(write, line, says):
    """An unknown key or a secret that is no reference is refused by its name."""
    assert says in refusal(write(OIDC + line + "\n"))


def test_the_store_may_be_on_a_server(write, monkeypatch):
    """`[store]` names a server; its password is a reference that is resolved at the start, and never shown."""
    address = "postgresql://ann@db.example.edu/coursekeep?sslmode=verify-full"
    text = f'[store]\nurl = "{address}"\npassword = {{ env = "DB_PASSWORD" }}\n'
    with pytest.raises(SettingsError, match=r"store\.password .*DB_PASSWORD is not set"):
        store_password(load_settings(write(text)))
    monkeypatch.setenv("DB_PASSWORD", "s3cret")
    settings = load_settings(write(text))
    monkeypatch.setenv("COURSEKEEP_STORE__PASSWORD", "s3cret too")
    plain = load_settings(write(text))

    assert settings.store.url == address
    assert (store_password(settings), store_password(plain)) == ("s3cret", "s3cret too")
    assert "s3cret" not in repr(plain) + str(plain.redacted()) + repr(settings)
    assert "ann@" not in str(plain.redacted())
    monkeypatch.delenv("COURSEKEEP_STORE__PASSWORD")
    assert store_password(load_settings(write(""))) is None


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://ann:s3cret@db/coursekeep", "password = {"),
        ("postgresql://db/coursekeep?user=ann&password=s3cret", "password = {"),
        ("mysql://db/coursekeep", "postgresql://user@host/database"),
        ("coursekeep.db", "sqlite:///coursekeep.db"),
    ],
)
def test_a_bad_address_of_the_store_is_named_and_not_shown(write, url, says):
    """An address that cannot be used, or holds a password, is refused with the line, and without the address."""
    said = refusal(write(f'[store]\nurl = "{url}"\n'))

    assert "store.url" in said
    assert "line 2" in said
    assert says in said
    assert "s3cret" not in said


def test_an_archive_in_an_object_store_keeps_its_address_and_its_secrets(write, monkeypatch):
    """An s3:// address stays as it is, file:// replicas start from the file's folder, secrets are resolved late."""
    path = write(
        '[archive]\nurl = "s3://bucket/courses"\nreplicas = ["file://copy", "s3://other/courses"]\n'
        '[archive.s3]\nendpoint = "https://s3.example.edu"\n'
        'access_key_id = { env = "S3_KEY" }\nsecret_access_key = { env = "S3_SECRET" }\n'
        '[archive.replica_s3]\nregion = "eu-1"\n'
    )
    settings = load_settings(path)

    assert settings.archive.url == "s3://bucket/courses"
    assert settings.archive.replicas == (f"file://{path.parent}/copy", "s3://other/courses")
    with pytest.raises(SettingsError, match=r"archive\.s3\.access_key_id.*S3_KEY"):
        open_archive(settings)
    monkeypatch.setenv("S3_KEY", "key")
    monkeypatch.setenv("S3_SECRET", "a-made-up-secret")
    settings = load_settings(path)
    archive = open_archive(settings)
    assert [each.address for each in (archive, *archive.replicas)] == [
        "s3://bucket/courses",
        f"{path.parent}/copy",
        "s3://other/courses",
    ]
    assert s3_options(settings).secret_access_key == "a-made-up-secret"
    assert s3_options(settings, replica=True).region == "eu-1"
    assert "a-made-up-secret" not in f"{settings.redacted()}{s3_options(settings)}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('url = "ftp://x"', "archive.url"),
        ('url = "s3:///x"', "is no place for an archive"),
        ('url = "s3://bucket/a//b"', "is no place for an archive"),
        ('replicas = ["/mnt/copy"]', "write one such as file:///mnt/copy"),
        ('replicas = ["s3://x"]', "archive.replicas[0]"),
        ('url = "s3://bucket/x"\nreplicas = ["s3://bucket/x/"]', "no copy of itself"),
        ('s3 = { endpoint = "s3.example.edu" }', "https://s3.example.edu"),
        ('s3 = { endpoint = "https://me:pw@s3.example.edu" }', "without credentials"),
        ('s3 = { access_key_id = "x" }', "go together"),
        ('s3 = { bucket = "x" }', "archive.s3.bucket"),
    ],
)
def test_wrong_places_for_archives_are_refused(write, text, said):
    """What is no address of an archive, and how a store cannot be reached, is said before anything starts."""
    with pytest.raises(SettingsError) as caught:
        open_archive(load_settings(write(f"[archive]\n{text}\n")))
    assert said in str(caught.value)
