"""Where a connection comes from, as it travels with the descriptor."""

import pytest

from gateway.transport.origin import Origin, unpacked


@pytest.mark.parametrize("client_ip", ["", "192.0.2.1", "2001:db8::1"])
@pytest.mark.parametrize("marks", [(False, False), (True, False), (False, True), (True, True)])
def test_an_origin_comes_out_as_it_went_in(client_ip: str, marks: tuple[bool, bool]) -> None:
    for protocol in ("SMTP", "LMTP"):
        origin = Origin("LMTP" if protocol == "LMTP" else "SMTP", client_ip, *marks)
        assert unpacked(origin.packed()) == origin
