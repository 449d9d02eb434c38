"""The servers in the URL of a PostgreSQL store: one host, or several of which one takes writes.

Rules: a fault says which host it is about by its place, and shows nothing of the URL, which may
hold a password; what is right here is what libpq takes, but for servers that would never take a
write.
"""

from urllib.parse import parse_qsl

_WRITING = ("read-write", "primary")
_PORTS = range(1, 65536)


def fault_of(url: str) -> str | None:
    """Return why no store can be at this URL, which is one by its signs; None when one can."""
    rest, _, query = url.partition("://")[2].partition("?")
    named = dict(parse_qsl(query, keep_blank_values=True))
    authority = rest.partition("/")[0].rpartition("@")[2]
    ports = named["port"].split(",") if "port" in named else []
    if "host" in named or "hostaddr" in named:
        hosts = (named.get("host") or named["hostaddr"]).split(",")
    else:
        written = [_host_and_port(one) for one in authority.split(",")]
        hosts = [host for host, _ in written]
        ports = ports or [port for _, port in written if port]
    several = len(hosts) > 1
    for place, host in enumerate(hosts, start=1):
        if several and not host:
            return f"expected a host name or address at place {place} of its hosts, not nothing"
    # The port is not shown: it may be the end of a password with a colon in it.
    if any(not _is_port(port) for port in ports):
        return "expected ports from 1 to 65535 in its URL"
    if "port" in named and len(ports) not in (1, len(hosts)):
        return f"expected one port for each of its {len(hosts)} hosts, or one for all"
    return _fault_of_attributes(named.get("target_session_attrs"), several)


def _host_and_port(text: str) -> tuple[str, str]:
    """Part `host`, `host:port` and `[address]:port`."""
    host, bracket, behind = text.rpartition("]")
    if bracket:
        return host + bracket, behind.removeprefix(":")
    name, colon, port = text.partition(":")
    return name, port if colon else ""


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and int(text) in _PORTS


def _fault_of_attributes(wanted: str | None, several: bool) -> str | None:
    if wanted is None or wanted in _WRITING or (wanted == "any" and not several):
        return None
    return (
        "expected target_session_attrs=read-write or primary in its URL:"
        " the store is on the server that takes writes"
    )
