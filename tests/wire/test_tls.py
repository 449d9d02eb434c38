"""The certificate: shown to every client, read again at SIGHUP while connections go on."""

import signal
import ssl
import time
from pathlib import Path

from tests.support.certificates import certificate
from tests.support.fixtures import MakeServer
from tests.support.server import Server
from tests.support.smtp import SmtpClient, message

SETTINGS = {
    "smtps": "127.0.0.1:0",
    "tls_certificate": "{certificate}",
    "tls_key": "{key}",
    "mail_processes": "2",
}


def shown_by(client: SmtpClient) -> bytes:
    assert isinstance(client.socket, ssl.SSLSocket)
    found = client.socket.getpeercert(binary_form=True)
    assert found
    return found


def connect(server: Server) -> SmtpClient:
    client = SmtpClient(server.address("smtps"), tls=True)
    assert client.greet().code == 250
    return client


def test_sighup_reads_the_certificate_again_and_loses_no_connection(own_server: MakeServer) -> None:
    server = own_server(SETTINGS)
    with connect(server) as before:
        old = shown_by(before)
        before.open_content(["team@example.test"])
        certificate(server.folder, days=60, name="new.example.test")
        server.process.send_signal(signal.SIGHUP)
        server.await_log("certificate_read")
        deadline = time.monotonic() + 10
        while True:  # the mail process hears of it a moment later
            with connect(server) as after:
                if shown_by(after) != old:
                    break
            assert time.monotonic() < deadline
        before.send(message("across a reload") + b".\r\n")
        assert before.reply().starts("250 2.0.0")
    for mailbox in server.mailboxes():
        with mailbox:
            (copy,) = mailbox.newest(10)
            trace = mailbox.raw(copy["message_id"]).partition(b";")[0]
            assert b" with ESMTPS (TLSv1.3) id " in trace


def test_a_certificate_that_cannot_be_read_changes_nothing(own_server: MakeServer) -> None:
    server = own_server(SETTINGS)
    with connect(server) as client:
        old = shown_by(client)
    (server.folder / "key.pem").write_text("no key")
    server.process.send_signal(signal.SIGHUP)
    server.await_log("certificate_kept")
    with connect(server) as client:
        assert shown_by(client) == old


def test_a_certificate_that_cannot_be_read_is_a_fault_at_start(
    own_server: MakeServer, tmp_path: Path
) -> None:
    server = own_server()
    chain, key = certificate(tmp_path)
    key.write_text("no key")
    server.settings |= {"tls_certificate": str(chain), "tls_key": str(key)}
    done = server.postroom("serve", "--data", str(tmp_path / "other"))
    assert done.returncode == 1
    assert f"tls_certificate, tls_key: cannot be used: {key} holds no key in PEM" in done.stderr


def test_tls_1_1_is_refused(own_server: MakeServer) -> None:
    server = own_server(SETTINGS)
    with SmtpClient(server.address("smtps"), greet=False) as client:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with context.wrap_socket(client.socket) as spoken:
            assert spoken.version() == "TLSv1.2"
    # Our OpenSSL may not speak 1.1 at all, so the client's first words are written out.
    hello = bytes.fromhex("0302") + b"\0" * 32 + b"\0" + bytes.fromhex("0002c014") + b"\1\0"
    record = b"\1" + len(hello).to_bytes(3, "big") + hello
    with SmtpClient(server.address("smtps"), greet=False) as client:
        client.send(b"\x16\x03\x01" + len(record).to_bytes(2, "big") + record)
        while not client.at_end():
            assert client.buffer[:2] == b"\x15\x03", client.buffer  # an alert
            client.buffer = b""
