"""A Postfix instance of a test's own: its configuration, queue and logs in one directory.

Postfix starts only for root, and its daemons run as its own user, so the directory is open to
read. Nothing of the system's own Postfix is touched. Everything goes to one next hop, or where the
settings of docs/postfix.md say.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.programs import need
from tests.support.server import quiet_port
from tests.support.smtp import HostPort

SERVICES = """\
pickup    unix  n - n 60  1 pickup
cleanup   unix  n - n -   0 cleanup
qmgr      unix  n - n 5   1 qmgr
rewrite   unix  - - n -   - trivial-rewrite
bounce    unix  - - n -   0 bounce
defer     unix  - - n -   0 bounce
trace     unix  - - n -   0 bounce
smtp      unix  - - n -   - smtp
relay     unix  - - n -   - smtp
lmtp      unix  - - n -   - lmtp
verify    unix  - - n -   1 verify
anvil     unix  - - n -   1 anvil
error     unix  - - n -   - error
retry     unix  - - n -   - error
discard   unix  - - n -   - discard
proxymap  unix  - - n -   - proxymap
scache    unix  - - n -   1 scache
showq     unix  n - n -   - showq
postlog   unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True, slots=True)
class Postfix:
    """A running instance."""

    folder: Path
    sendmail: str
    postqueue: str

    smtpd: HostPort

    @property
    def configuration(self) -> str:
        return str(self.folder / "etc")

    def send(self, content: bytes, recipient: str, *, sender: str) -> None:
        """Hand a message to the queue as a local program does."""
        subprocess.run(
            [self.sendmail, "-C", self.configuration, "-i", "-f", sender, recipient],
            input=content,
            check=True,
            timeout=30,
        )

    def queue(self) -> str:
        """Return the queue as JSON lines; empty when all is delivered."""
        return subprocess.run(
            [self.postqueue, "-c", self.configuration, "-j"],
            check=True,
            capture_output=True,
            text=True,
            timeout=30,
        ).stdout

    def log(self) -> str:
        path = self.folder / "log" / "mail.log"
        return path.read_text(errors="replace") if path.exists() else ""


def public_folder() -> Path:
    """Return a new directory that Postfix's own user can look into; to be removed by the caller."""
    folder = Path(tempfile.mkdtemp(prefix="postroom-postfix-"))
    folder.chmod(0o755)
    return folder


@contextmanager
def postfix_towards(hop: HostPort) -> Iterator[Postfix]:
    """Run an instance whose relayhost is `hop`; stopped and removed at the end."""
    host, port = hop
    with postfix_with(f"relayhost = [{host}]:{port}\n") as instance:
        yield instance


@contextmanager
def postfix_with(settings: str, *, services: str = "") -> Iterator[Postfix]:
    """Run an instance with these lines in its main.cf; stopped and removed at the end.

    `services` are more lines of its master.cf.
    """
    command = need("postfix", "postfix")
    if os.geteuid() != 0:
        pytest.skip("Postfix starts only for root")
    folder = public_folder()
    host, _, port = quiet_port().rpartition(":")
    programs = (need("sendmail", "postfix"), need("postqueue", "postfix"))
    instance = Postfix(folder, *programs, smtpd=(host, int(port)))
    try:
        _configure(instance, settings, services)
        done = subprocess.run(
            [command, "-c", instance.configuration, "start"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr + instance.log()
        yield instance
    finally:
        subprocess.run(
            [command, "-c", instance.configuration, "stop"],
            capture_output=True,
            timeout=60,
            check=False,
        )
        shutil.rmtree(folder, ignore_errors=True)


def _configure(instance: Postfix, settings: str, services: str) -> None:
    folder = instance.folder
    for name in ("etc", "queue", "data", "log"):
        (folder / name).mkdir(mode=0o755)
    shutil.chown(folder / "data", "postfix")
    host, port = instance.smtpd
    (folder / "etc" / "master.cf").write_text(
        f"{host}:{port} inet n - n - - smtpd\n{SERVICES}{services}"
    )
    (folder / "etc" / "main.cf").write_text(
        f"""\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log/mail.log
maillog_file_prefixes = {folder}
myhostname = relay.client.example
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
inet_interfaces = loopback-only
inet_protocols = ipv4
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtp_tls_security_level = none
smtp_line_length_limit = 0
minimal_backoff_time = 1s
maximal_backoff_time = 5s
queue_run_delay = 1s
{settings}"""
    )
