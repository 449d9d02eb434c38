"""The settings: frozen and typed, each declared with its default, its parser and one sentence.

A secret appears in no repr. `config.loading` reads them from their sources.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TypeVar

from config import choices, listening, urls, values
from config.hosts import Network
from config.listening import ListenAddress
from config.values import Endpoint, Parser, Rate

T = TypeVar("T")


def setting(
    default: str | int,
    parse: Parser[T],
    about: str,
    *,
    write: Callable[[T], str] = values.written,
    secret: bool = False,
    secret_part: bool = False,
) -> T:
    """Declare a setting: its default as an operator would write it, its parser, one sentence.

    A `secret` is never shown; with `secret_part`, `write` leaves out the secret part.
    """
    rules = {"parse": parse, "about": about, "write": write, "secret": secret}
    return field(
        default_factory=lambda: parse(default), metadata=rules, repr=not (secret or secret_part)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings; the constructor makes one from the defaults."""

    store: str = setting(
        "sqlite",
        urls.store,
        "Where the store is: sqlite, in `data`, or postgresql://user@host/database.",
        write=urls.store_text,
        secret_part=True,
    )
    data: Path = setting(
        "postroom-data",
        values.directory,
        "Directory of the store; a relative one counts from where the process starts.",
    )
    content: str = setting(
        "",
        urls.content,
        "Messages over 256 KiB: files, database, or s3://bucket/…; empty: files with sqlite.",
    )
    content_access_key: str = setting(
        "", values.secret, "Access key of the bucket that `content` names.", secret=True
    )
    content_secret_key: str = setting(
        "", values.secret, "Secret key of the bucket that `content` names.", secret=True
    )
    smtp: tuple[ListenAddress, ...] = setting(
        "127.0.0.1:2525",
        listening.smtp_addresses,
        "Where mail comes in: host:port, unix:/path or, behind a balancer, proxy:host:port.",
    )
    lmtp: tuple[ListenAddress, ...] = setting(
        "",
        listening.mail_addresses,
        "Where an MTA hands mail over by LMTP: host:port or unix:/path, several with commas.",
    )
    smtps: tuple[ListenAddress, ...] = setting(
        "",
        listening.mail_addresses,
        "Where SMTP begins with TLS: host:port or unix:/path, with commas; needs a certificate.",
    )
    socket_mode: int = setting(
        "0660",
        listening.socket_mode,
        "Mode of unix sockets: who may write to one has no limits, and names the clients of HTTP.",
        write=listening.socket_mode_text,
    )
    socket_group: str = setting(
        "", listening.group, "Group of unix sockets; empty: the one the server runs with."
    )
    tls_certificate: Path | None = setting(
        "",
        values.optional_file,
        "PEM file with the certificate and its chain; with it SMTP and LMTP offer STARTTLS.",
        write=values.optional_text,
    )
    tls_key: Path | None = setting(
        "",
        values.optional_file,
        "PEM file with the certificate's key, without a password.",
        write=values.optional_text,
    )
    tls: choices.Tls = setting(
        "",
        choices.tls,
        "STARTTLS: off, opportunistic or required; empty: opportunistic with a certificate.",
    )
    http: tuple[ListenAddress, ...] = setting(
        "127.0.0.1:8025",
        listening.http_addresses,
        "Where the API is: host:port or unix:/path, several with commas.",
    )
    public_url: str = setting(
        "",
        urls.public_url,
        "Where browsers reach the page, as https://mail.example.com; empty: on loopback only.",
    )
    console: choices.Switch = setting(
        "on", choices.switch, "Whether the page under /console/ is there (on) or not (off)."
    )
    console_insecure: choices.Switch = setting(
        "off",
        choices.switch,
        "Whether one may sign in to the page by plain http from other machines (on) or not (off).",
    )
    hostname: str = setting(
        "",
        values.hostname,
        "What the server calls itself in SMTP and in trace fields; empty: the machine's name.",
    )
    postmaster: str = setting(
        "",
        values.mailbox,
        "Inbox for postmaster and abuse of domains whose tenant has no owner's inbox.",
    )
    size_limit: int = setting(
        "50MiB",
        values.size(minimum=64 << 10, maximum=2 << 30),
        "The largest message taken, in bytes or as 50MiB.",
        write=values.size_text,
    )
    inbox_quota: int = setting(
        0,
        values.size(minimum=0, maximum=1 << 50),
        "The mail that one inbox may hold, in bytes or as 10GiB; 0: no limit.",
        write=values.size_text,
    )
    tenant_quota: int = setting(
        0,
        values.size(minimum=0, maximum=1 << 50),
        "The mail that one tenant may hold, in bytes or as 100GiB; 0: no limit.",
        write=values.size_text,
    )
    bare_newline: choices.BareNewline = setting(
        "accept",
        choices.bare_newline,
        "Whether a message with a CR or LF alone in it is stored (accept) or refused (reject).",
    )
    relationships: choices.Switch = setting(
        "on",
        choices.switch,
        "Whether it is counted who writes to whom (on) or not (off).",
    )
    authentication: choices.Switch = setting(
        "on",
        choices.switch,
        "Whether it is checked who wrote each message: SPF, DKIM, DMARC, ARC (on) or not (off).",
    )
    dmarc: choices.Dmarc = setting(
        "note",
        choices.dmarc,
        "Mail that fails a DMARC policy of reject: shown as failed (note) or refused (reject).",
    )
    auth_results_from: tuple[str, ...] = setting(
        "",
        values.domains,
        "Names by which your own relays sign Authentication-Results that count; with commas.",
    )
    arc_trusted_sealers: tuple[str, ...] = setting(
        "",
        values.domains,
        "Forwarders whose ARC seals vouch for mail that fails DMARC: domains, with commas.",
    )
    exempt_networks: tuple[Network, ...] = setting(
        "127.0.0.0/8, ::1/128",
        values.networks,
        "Clients without limits on connections and errors: your own relays.",
    )
    trusted_proxies: tuple[Network, ...] = setting(
        "",
        values.networks,
        "Peers whose forwarding headers (HTTP) and PROXY headers (SMTP) count; empty: nobody's.",
    )
    dns_server: Endpoint | None = setting(
        "",
        values.name_server,
        "DNS server for domains and webhooks, host:port; empty: the machine's own.",
        write=values.optional_text,
    )
    webhook_allow_networks: tuple[Network, ...] = setting(
        "",
        values.networks,
        "Inside networks that webhooks may reach, by http too; empty: only the outside, by https.",
    )
    smarthost: Endpoint | None = setting(
        "",
        values.smarthost,
        "The mail server that takes the letters written here, host:port; empty: none are sent.",
        write=values.optional_text,
    )
    smarthost_tls: choices.SmarthostTls = setting(
        "starttls",
        choices.smarthost_tls,
        "How it is spoken to: starttls, implicit (port 465) or none (inside networks only).",
    )
    smarthost_ca: Path | None = setting(
        "",
        values.optional_file,
        "PEM file of the authorities that its certificate may be from; empty: the machine's.",
        write=values.optional_text,
    )
    smarthost_username: str = setting("", values.credential, "The name to sign in with there.")
    smarthost_password: str = setting(
        "", values.credential, "The password to sign in with there.", secret=True
    )
    smarthost_connections: int = setting(
        2, values.count(maximum=50), "Connections to it at a time."
    )
    return_path: choices.ReturnPath = setting(
        "verp",
        choices.return_path,
        "Where reports about letters go: to a token of each letter (verp) or to its From (from).",
    )
    undo_seconds: int = setting(
        10, values.count(minimum=0, maximum=3600), "Seconds in which a letter can be taken back."
    )
    send_expire: float = setting(
        "24h",
        values.duration(minimum=60),
        "How long a letter is tried before it fails, in seconds or as 24h.",
        write=values.duration_text,
    )
    unknown_sends: choices.UnknownSends = setting(
        "retry",
        choices.unknown_sends,
        "A letter that may have been sent: send it again (retry) or leave it to its author (ask).",
    )
    max_connections: int = setting(2000, values.count(), "SMTP connections at a time.")
    exempt_connections: int = setting(
        100, values.count(minimum=0), "How many of them are kept for exempt networks."
    )
    max_connections_per_client: int = setting(
        50, values.count(), "SMTP connections at a time from one IPv4 address or IPv6 /64."
    )
    max_new_connections_per_minute: int = setting(
        300, values.count(), "New SMTP connections a minute from one IPv4 address or IPv6 /64."
    )
    http_max_connections: int = setting(
        800, values.count(), "HTTP connections at a time; never more than half of the descriptors."
    )
    http_max_connections_per_client: int = setting(
        200, values.count(), "HTTP connections at a time from one IPv4 address or IPv6 /64."
    )
    max_recipients: int = setting(1000, values.count(), "Recipients of one SMTP transaction.")
    list_rate: Rate | None = setting(
        "",
        values.rate,
        "Mail from one client network to one list, such as 60/min burst 120; empty: no limit.",
        write=values.rate_text,
    )
    mail_processes: int = setting(
        0,
        values.count(minimum=0),
        "Mail processes: one writes, the others talk to clients; 0: one a processor, at most 4.",
    )
    command_timeout: float = setting(
        300, values.seconds(minimum=0.01), "Seconds to wait for an SMTP command."
    )
    envelope_timeout: float = setting(
        600, values.seconds(minimum=0.01), "Seconds from MAIL to DATA."
    )
    data_timeout: float = setting(
        180, values.seconds(minimum=0.01), "Seconds to wait for more of a message."
    )
    data_floor: int = setting(
        500,
        values.count(minimum=0),
        "Bytes a second, over a minute, below which a message is given up; 0: never.",
    )
    session_cap: float = setting(
        3600,
        values.seconds(minimum=0.01),
        "Seconds after which an SMTP session ends, between two transactions.",
    )
    unready_seconds: float = setting(
        5,
        values.seconds(minimum=0),
        "Seconds from /readyz 503 to the drain at a stop, where somebody asks it regularly.",
    )
    drain_seconds: float = setting(
        30,
        values.seconds(minimum=0),
        "Seconds that messages under way have to finish when the server stops.",
    )
    api_rate_per_minute: int = setting(600, values.count(), "API calls a minute per credential.")
    api_burst: int = setting(100, values.count(), "API calls at once per credential.")
    console_rate_per_minute: int = setting(
        1200, values.count(), "Requests of the page a minute per session; a fifth of them at once."
    )
    api_streams: int = setting(
        20, values.count(), "Streams of events that a credential may hold open."
    )
    max_contacts_per_inbox: int = setting(
        100_000, values.count(), "Contacts that an inbox may have."
    )
    login_rate_per_minute: int = setting(
        5, values.count(), "Logins tried a minute per account and per client address."
    )
    metrics_token: str = setting(
        "", values.secret, "Bearer token for /metrics; empty: loopback only.", secret=True
    )
    log_file: Path | None = setting(
        "",
        values.optional_file,
        "Log file, opened anew when it was renamed; empty: stderr.",
        write=values.optional_text,
    )
    log_format: choices.LogFormat = setting(
        "text", choices.log_format, "How a log line looks: text or json."
    )
    log_level: choices.LogLevel = setting(
        "info", choices.log_level, "The least that is logged: debug, info, warning, error."
    )
    origins: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    warnings: tuple[str, ...] = field(default=(), compare=False, repr=False)

    @property
    def content_place(self) -> str:
        """Where large contents that come are stored: `content`, or its default for the store."""
        return self.content or ("files" if self.store == "sqlite" else "database")

    @property
    def tls_mode(self) -> choices.Tls:
        """The mode of TLS: `tls`, or its default when that is empty."""
        return self.tls or ("off" if self.tls_certificate is None else "opportunistic")


def keys() -> tuple[str, ...]:
    """Return every setting's key, in the order in which they are documented."""
    return tuple(declared.name for declared in fields(Settings) if declared.metadata)
