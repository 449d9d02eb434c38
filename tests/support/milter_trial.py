"""A filter before a real Postfix, in a network of its own: the messages that its next hop gets.

`unshare --net --mount python -m tests.support.milter_trial PROGRAM FOLDER` writes them to FOLDER.

Rules: programs as Debian packs them, with the least of settings; the only name server is ours, at
an address of this network (OpenDKIM asks none on loopback, and knows that `.test` is nobody's). The
client has a public address: filters trust those of loopback.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tests.programs import need
from tests.support.dns_server import dns_server_beside
from tests.support.postfix import postfix_with
from tests.support.sending_kills import smarthost_beside
from tests.support.signing import MESSAGE, rsa_key, sign
from tests.support.smtp import SmtpClient

RELAY, CLIENT, NAMES, AUTHOR = "mx.relay.test", "192.0.2.7", "10.53.0.1", "sender.example"
LIE = (
    f"Authentication-Results: {RELAY}; dmarc=pass header.from={AUTHOR};"
    f" spf=pass smtp.mailfrom=ann@{AUTHOR}\r\n"
).encode()
HOP = b"Received: from pc by mx.sender.example with ESMTP id 1; Tue, 1 Jul 2025 10:20:29 +0000\r\n"
SECONDS = 120.0


def main(program: str, folder: Path) -> None:
    """Try one filter."""
    _network(folder)
    message = MESSAGE.replace(b"sender.test", AUTHOR.encode())
    signed = sign(message, domain=AUTHOR)
    contents = {
        "signed": signed,
        "changed-and-lying": LIE + HOP + signed + b"More.\r\n",
        "unsigned-and-lying": LIE + message,
    }
    with _dns(), smarthost_beside() as hop, _filter(program, folder) as port:
        settings = (
            f"mynetworks = 127.0.0.0/8, {CLIENT}\nrelayhost = [127.0.0.1]:{hop.port}\n"
            f"smtpd_milters = inet:127.0.0.1:{port}\nmilter_default_action = tempfail\n"
        )
        with postfix_with(settings) as relay:
            for number, (name, content) in enumerate(contents.items()):
                with SmtpClient(relay.smtpd, source=CLIENT, timeout=SECONDS) as client:
                    client.greet(name="mx.sender.example")
                    sender = f"ann@{AUTHOR}"
                    reply = client.deliver(content, ["team@example.test"], sender=sender)
                    assert reply.code == 250, f"{reply}\n{relay.log()}"
                deadline = time.monotonic() + SECONDS
                while len(hop.taken) == number:
                    assert time.monotonic() < deadline, relay.log()
                    time.sleep(0.1)
                (folder / f"{name}.eml").write_bytes(hop.taken[-1].octets)


def _network(folder: Path) -> None:
    """Have loopback, and our name server in place of the machine's: in this namespace alone."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in (CLIENT, NAMES):
        subprocess.run(["ip", "addr", "add", f"{address}/32", "dev", "lo"], check=True)
    path = folder / "resolv.conf"
    path.write_text(f"nameserver {NAMES}\n")
    subprocess.run(["mount", "--bind", str(path), "/etc/resolv.conf"], check=True)


@contextlib.contextmanager
def _dns() -> Iterator[None]:
    key = rsa_key().record
    with dns_server_beside() as dns:
        dns.publish(AUTHOR, "TXT", f'"v=spf1 ip4:{CLIENT} -all"')
        dns.publish(f"_dmarc.{AUTHOR}", "TXT", '"v=DMARC1; p=reject"')
        halves = " ".join(f'"{key[at : at + 200]}"' for at in range(0, len(key), 200))
        dns.publish(f"s1._domainkey.{AUTHOR}", "TXT", halves)
        _hand_on(dns.port)
        yield


def _hand_on(port: int) -> None:
    """Serve port 53 of our name server's address by the one on loopback; ends with the process."""
    front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    front.bind((NAMES, 53))

    def ask(question: bytes, asker: tuple[str, int]) -> None:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as back,
            contextlib.suppress(OSError),
        ):
            back.settimeout(3)
            back.sendto(question, ("127.0.0.1", port))
            front.sendto(back.recv(65_535), asker)

    def serve() -> None:
        while True:
            threading.Thread(target=ask, args=front.recvfrom(65_535), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()


@contextlib.contextmanager
def _filter(program: str, folder: Path) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    words = {"opendkim": _opendkim, "opendmarc": _opendmarc, "rspamd": _rspamd}[program]
    with (folder / "filter.log").open("wb") as log:
        running = subprocess.Popen(words(folder, port), stdout=log, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + SECONDS
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            said = (folder / "filter.log").read_text(errors="replace")
            assert running.poll() is None and time.monotonic() < deadline, said
            time.sleep(0.1)
        yield port
    finally:
        running.kill()
        running.wait()


def _opendkim(folder: Path, port: int) -> list[str]:
    path = folder / "opendkim.conf"
    path.write_text(
        f"Mode v\nSocket inet:{port}@127.0.0.1\nAuthservID {RELAY}\nInternalHosts 192.0.2.1\n"
        f"Nameservers {NAMES}\nSyslog no\n"
    )
    return [need("opendkim", "opendkim"), "-f", "-x", str(path)]


def _opendmarc(folder: Path, port: int) -> list[str]:
    path, ignored = folder / "opendmarc.conf", folder / "ignored"
    ignored.write_text("192.0.2.1\n")
    path.write_text(
        f"Socket inet:{port}@127.0.0.1\nAuthservID {RELAY}\nTrustedAuthservIDs {RELAY}\n"
        f"IgnoreHosts {ignored}\nSyslog false\nSPFSelfValidate true\nSPFIgnoreResults true\n"
    )
    return [need("opendmarc", "opendmarc"), "-f", "-c", str(path)]


def _rspamd(folder: Path, port: int) -> list[str]:
    settings, run = folder / "rspamd", folder / "run"
    shutil.copytree("/etc/rspamd", settings)
    run.mkdir()
    (folder / "suffixes").write_text("com\ntest\nexample\n")  # the whole list takes a minute
    local = {
        "worker-proxy.inc": f'bind_socket = "127.0.0.1:{port}";\nmilter = yes;\n'
        'upstream "local" { self_scan = yes; default = yes; }\ncount = 1;\n',
        "worker-normal.inc": "enabled = false;\n",
        "worker-controller.inc": "enabled = false;\n",
        "milter_headers.conf": 'use = ["authentication-results"];\nskip_local = false;\n',
        "options.inc": f'dns {{ nameserver = ["{NAMES}"]; }}\nlocal_addrs = ["192.0.2.1"];\n'
        f'url_tld = "{folder}/suffixes";\n',
    }
    (settings / "local.d").mkdir(exist_ok=True)
    for name, text in local.items():
        (settings / "local.d" / name).write_text(text)
    places = {"CONFDIR": settings, "LOCAL_CONFDIR": settings}
    places |= dict.fromkeys(("DBDIR", "RUNDIR", "LOGDIR"), run)
    given = [f"--var={name}={place}" for name, place in places.items()]
    program = need("rspamd", "rspamd")
    return [program, "--insecure", "-f", "-c", str(settings / "rspamd.conf"), *given]


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
