"""Whether the machine of a server still acknowledges what is sent to it.

- A machine that has vanished sends no reset: TCP goes on for long. One that is alive acknowledges,
  also while a statement waits or nothing more can be taken in; so silence of its kernel tells more
  than silence of the server.
- Out of reach: for `SILENT_SECONDS` no acknowledgement, and two questions of our kernel (a repeated
  segment or a probe) without one. The keepalives of `KEEPALIVES` make it ask where nothing is sent.
- Known on Linux and TCP only; elsewhere the time-outs of TCP hold.

tcp(7), TCP_INFO; RFC 9293 3.8.4.
"""

from __future__ import annotations

import socket
import struct
import sys

SILENT_SECONDS = 5.0
KEEPALIVES = {"keepalives_idle": 2, "keepalives_interval": 1, "keepalives_count": 5}

# struct tcp_info up to tcpi_last_ack_recv, which is in milliseconds.
_INFO = struct.Struct("8B13I")
_RETRANSMITS, _PROBES, _LAST_ACK = 2, 3, 20
_UNANSWERED = 2


def is_out_of_reach(descriptor: int) -> bool:
    """Whether the peer of a TCP connection has stopped acknowledging."""
    if sys.platform != "linux":
        return False
    line = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=descriptor)
    try:
        octets = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO.size)
    except OSError:  # a unix socket, or closed: there is nobody who could vanish
        return False
    finally:
        line.detach()  # the descriptor is the caller's
    info = _INFO.unpack(octets)
    asked = info[_RETRANSMITS] + info[_PROBES]
    return bool(asked >= _UNANSWERED and info[_LAST_ACK] >= SILENT_SECONDS * 1000)
