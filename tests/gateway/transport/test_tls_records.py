"""TLS records, cut and glued anywhere: the text that was sent, and its end."""

import contextlib
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.transport.tls import Certificate, TlsRecords
from tests.support.certificates import certificate


class Client:
    """The peer's side, between two buffers."""

    def __init__(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing)

    def shake_hands(self, ours: TlsRecords) -> None:
        for _ in range(5):
            with contextlib.suppress(ssl.SSLWantReadError):
                self.tls.do_handshake()
            ours.decrypt(self.outgoing.read())
            self.incoming.write(ours.take_outgoing())
            if ours.established:
                return

    def records(self, *texts: bytes, close: bool = False) -> bytes:
        for text in texts:
            self.tls.write(text)
        if close:
            with contextlib.suppress(ssl.SSLError):  # our side has not said so yet
                self.tls.unwrap()
        return self.outgoing.read()


def connected(folder: Path) -> tuple[Client, TlsRecords]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(folder))
    client, ours = Client(), TlsRecords(context)
    client.shake_hands(ours)
    assert ours.established
    return client, ours


def test_records_cut_anywhere_give_the_text(tmp_path: Path) -> None:
    client, ours = connected(tmp_path)
    texts = (b"NOOP\r\n", b"RSET\r\n")
    length = len(client.records(*texts))
    client, ours = connected(tmp_path)
    for cut in range(length + 1):
        octets = client.records(*texts)
        assert ours.decrypt(octets[:cut]) + ours.decrypt(octets[cut:]) == b"".join(texts)
    assert not ours.ended


def test_more_than_a_record_at_once_is_read_whole(tmp_path: Path) -> None:
    client, ours = connected(tmp_path)
    text = bytes(range(256)) * 300  # five records
    assert ours.decrypt(client.records(text, b"end")) == text + b"end"
    assert ours.decrypt(b"") == b""


def test_the_end_behind_a_text_is_told_with_it(tmp_path: Path) -> None:
    client, ours = connected(tmp_path)
    assert ours.decrypt(client.records(b"QUIT\r\n", close=True)) == b"QUIT\r\n"
    assert ours.ended
    client, ours = connected(tmp_path)
    octets = client.records(close=True)
    assert (ours.decrypt(octets[:3]), ours.ended) == (b"", False)
    assert (ours.decrypt(octets[3:]), ours.ended) == (b"", True)


def _with_password(chain: Path, key: Path) -> None:
    kind = "ENCRYPTED PRIVATE KEY-----"
    key.write_text(f"-----BEGIN {kind}\nAA==\n-----END {kind}\n")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda chain, key: key.unlink(), "{key}: No such file or directory"),
        (lambda chain, key: chain.unlink(), "{chain}: No such file or directory"),
        (lambda chain, key: key.write_text("no key"), "{key} holds no key in PEM"),
        (lambda chain, key: chain.write_bytes(b"\0"), "{chain} holds no certificate in PEM"),
        (_with_password, "{key} has a password; a server needs a key without"),
        (lambda chain, key: key.write_bytes(_another(key)), "{key} is not the key of {chain}"),
    ],
)
def test_a_certificate_that_cannot_be_used_says_which_file_is_at_fault(
    tmp_path: Path, spoil: Callable[[Path, Path], object], told: str
) -> None:
    chain, key = certificate(tmp_path)
    used = Certificate(chain, key)
    spoil(chain, key)

    for read in (used.reload, lambda: Certificate(chain, key)):
        with pytest.raises(OSError) as raised:  # its whole text follows
            read()
        assert str(raised.value) == told.format(chain=chain, key=key)


def _another(key: Path) -> bytes:
    folder = key.parent / "other"
    folder.mkdir(exist_ok=True)
    return certificate(folder, days=31)[1].read_bytes()
