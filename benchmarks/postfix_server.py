"""A private Postfix to measure against: one alias per list, expanded to N virtual Maildirs.

Rules kept here:
- Configuration, queue, data and mail live in a directory of the run's own; the machine's Postfix,
  if there is one, is neither read nor touched. One listener, on loopback.
- Whatever Postfix does by default stays so: fsync of queue files and of every copy, process and
  concurrency limits, flow control. Only places and recipients are set. Nothing is
  in a chroot and there is no content filter, no DNS block list, and TLS only where it is measured.
- Map look-ups are from memory (texthash, static), which is the fastest Postfix offers.
- A message counts when all its copies are in the Maildirs, not when Postfix says 250: its 250
  says "queued".

See postconf(5), master(5), virtual(8).
"""

import contextlib
import os
import pwd
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.faults import BenchmarkFault
from benchmarks.load import program
from benchmarks.servers import DOMAIN, Endpoint, free_endpoint, list_address, member_address

# The queues a message can be in between its 250 and its last copy, in the order it goes through
# them: scanned in this order, a message on its way is always seen.
_QUEUES = ("incoming", "active")
_POLL_SECONDS = 0.005

_MASTER_CF = """\
{endpoint} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True, slots=True)
class PostfixServer:
    """A running Postfix; `pid` is its master."""

    root: Path
    smtp: Endpoint
    pid: int
    name: str = "Postfix"
    shares_content: bool = False

    def settle(self, *, timeout: float) -> None:
        """Return once the queue is empty; a deferred message raises BenchmarkFault at once."""
        deadline = time.monotonic() + timeout
        while not self._is_queue_empty():
            if time.monotonic() > deadline:
                raise BenchmarkFault(f"Postfix's queue was not empty after {timeout:.0f} s")
            time.sleep(_POLL_SECONDS)

    def _is_queue_empty(self) -> bool:
        if any(_has_file(self.root / "queue" / queue) for queue in _QUEUES):
            return False
        if _has_file(self.root / "queue" / "deferred"):
            raise BenchmarkFault("Postfix deferred a message")
        return True

    def copies(self) -> int:
        """Count the files in all members' `new` directories."""
        return sum(
            sum(1 for _ in os.scandir(member / "new"))
            for member in (self.root / "mail").iterdir()
            if (member / "new").is_dir()
        )


def _has_file(directory: Path) -> bool:
    """Say whether a queue directory holds a message, also in a hashed subdirectory."""
    with os.scandir(directory) as entries:
        return any(entry.is_file() or _has_file(Path(entry.path)) for entry in entries)


@contextlib.contextmanager
def run_postfix(
    root: Path, members: Sequence[int], settings: Mapping[str, object] | None = None
) -> Iterator[PostfixServer]:
    """Start a Postfix in the new directory `root`, with one list for each number of `members`.

    `settings` are further lines of main.cf.

    Raises BenchmarkFault when not run as root, which Postfix needs, or when it does not start.
    """
    if os.geteuid() != 0:
        raise BenchmarkFault("Postfix can only be started by root")
    endpoint = free_endpoint()
    config = _configure(root, endpoint, members)
    with (config / "main.cf").open("a") as main_cf:
        main_cf.writelines(f"{name} = {value}\n" for name, value in (settings or {}).items())
    _control(config, "start")
    try:
        yield PostfixServer(root, endpoint, _master(root))
    finally:
        _control(config, "stop")


def _configure(root: Path, endpoint: Endpoint, members: Sequence[int]) -> Path:
    """Lay out the private instance and return its configuration directory."""
    root.mkdir(parents=True)
    config, mail = root / "config", root / "mail"
    for directory in (config, root / "queue", root / "data", mail):
        directory.mkdir()
    recipient = pwd.getpwnam("nobody")
    postfix = _user("postfix")
    os.chown(root / "data", postfix.pw_uid, postfix.pw_gid)
    os.chown(mail, recipient.pw_uid, recipient.pw_gid)
    (config / "main.cf").write_text(_main_cf(root, recipient))
    (config / "master.cf").write_text(_MASTER_CF.format(endpoint=f"127.0.0.1:{endpoint.port}"))
    (config / "mailboxes").write_text(_mailboxes(max(members)))
    (config / "aliases").write_text(_aliases(members))
    return config


def _user(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise BenchmarkFault(
            f"there is no user {name}; on Debian: apt-get install postfix"
        ) from None


def _main_cf(root: Path, recipient: pwd.struct_passwd) -> str:
    settings = {
        "compatibility_level": "3.6",
        "queue_directory": root / "queue",
        "data_directory": root / "data",
        "mail_owner": "postfix",
        # A mail server that keeps no log is none; without a syslog daemon it would be free.
        "maillog_file": root / "postfix.log",
        "maillog_file_prefixes": root,
        "setgid_group": "postdrop",
        "inet_interfaces": "loopback-only",
        "inet_protocols": "ipv4",
        "myhostname": f"mx.{DOMAIN}",
        "mydestination": "",
        "alias_maps": "",
        "alias_database": "",
        "virtual_mailbox_domains": DOMAIN,
        "virtual_mailbox_base": root / "mail",
        "virtual_mailbox_maps": f"texthash:{root / 'config' / 'mailboxes'}",
        "virtual_alias_maps": f"texthash:{root / 'config' / 'aliases'}",
        "virtual_uid_maps": f"static:{recipient.pw_uid}",
        "virtual_gid_maps": f"static:{recipient.pw_gid}",
    }
    return "".join(f"{name} = {value}\n" for name, value in settings.items())


def _mailboxes(members: int) -> str:
    # The slash at the end makes it a Maildir.
    return "".join(f"{member_address(n)} member{n}/\n" for n in range(1, members + 1))


def _aliases(members: Sequence[int]) -> str:
    return "".join(
        f"{list_address(count)} {', '.join(member_address(n) for n in range(1, count + 1))}\n"
        for count in members
    )


def _control(config: Path, action: str) -> None:
    done = subprocess.run(
        [program("postfix"), "-c", str(config), action],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode != 0:
        raise BenchmarkFault(f"postfix {action} failed: {done.stderr.strip() or done.returncode}")


def _master(root: Path) -> int:
    """Return the process id the master wrote into its lock file."""
    return int((root / "queue" / "pid" / "master.pid").read_text())
