"""TLS records, cut and glued anywhere: the text that was sent, and its end."""

import contextlib
import ssl
from pathlib import Path

from gateway.transport.tls import TlsRecords
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
