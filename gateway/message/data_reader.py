"""Reading what follows DATA: where it ends, and what it means without its stuffed dots.

Rules this module keeps:
- Only CRLF.CRLF ends the data; the start of data counts as after a CRLF. However the bytes are cut
  into chunks, the outcome is the same.
- Nothing but the dot stuffed after a CRLF is taken away: bare CR, bare LF, NUL and lines of any
  length are content.
- A line that is only a dot and has a bare CR or LF on either side is reported as smuggling, whether
  it stands so in the bytes as sent or comes to stand so when dots are unstuffed: some other server
  would take it for the end, and what follows it for commands.
- Whole chunks go through searches in C. No work grows with the number of lines in Python, and at
  most five bytes are held back, so no cut and no flood of dots makes it quadratic.

RFC 5321 4.1.1.4, 4.5.2 and 2.3.8.
"""

import re

_END = b"\r\n.\r\n"
# A dot after any line end. The literal first byte lets the search jump from dot to dot.
_LEADING_DOT = re.compile(rb"\.(?<=[\r\n]\.)")
_SMUGGLED = re.compile(
    rb"""\.(?<=[\r\n]\.)              # after any line end, a dot; then
    (?: \n | \r[^\n]                  # a bare LF or CR,
      | (?<!\r\n\.)\r                 # or any CR when the line end before was bare;
      | (?<=\r\n\.)\.(?:\n|\r[^\n])   # or a stuffed dot, and then a bare LF or CR
    )""",
    re.VERBOSE,
)
# What cannot be judged before more has come: a line end, and up to two dots and a CR behind it.
_UNDECIDED = re.compile(rb"(?:\r\n|\r|\n)(?:\.{1,2}\r?)?\Z")
_UNDECIDED_OCTETS = 5


class DataReader:
    """The content of one message, fed with chunks until `done`.

    `received` counts content bytes so far. `leftover` is what came behind the end: the next
    commands. `bare_newlines` says that some CR or LF stood alone; it is found out only with
    `track_bare`, because it costs another look at every byte.
    """

    __slots__ = (
        "_held",
        "_opening",
        "_track_bare",
        "bare_newlines",
        "done",
        "leftover",
        "received",
        "smuggling",
    )

    def __init__(self, *, track_bare: bool = False) -> None:
        self.done = False
        self.leftover = b""
        self.received = 0
        self.smuggling = False
        self.bare_newlines = False
        self._track_bare = track_bare
        self._held = b"\r\n"  # the line end that the start of data counts as,
        self._opening = 2  # which is no content

    def feed(self, chunk: bytes | bytearray | memoryview) -> bytes:
        """Take the next bytes from the peer, give the content that has become certain."""
        if self.done:
            self.leftover = b"".join((self.leftover, chunk))
            return b""
        pending = b"".join((self._held, chunk)) if self._held else bytes(chunk)
        dot = self._leading_dot(pending)
        if dot is None:
            return self._keep(pending, stuffed=False)
        end = pending.find(_END, max(dot - 2, 0))
        if end < 0:
            self._look_for_smuggling(pending, dot, len(pending))
            return self._keep(pending, stuffed=True)
        self._look_for_smuggling(pending, dot, end + len(_END))
        self.done = True
        self.leftover = pending[end + len(_END) :]
        self._held = b""
        # Mostly the first such dot is the one that ends the data: then none is stuffed.
        return self._content(pending[: end + 2], stuffed=dot < end + 2)

    def _leading_dot(self, pending: bytes) -> int | None:
        """Where the first dot behind a line end stands. Most attachments have no dot at all."""
        first = pending.find(b".")
        found = _LEADING_DOT.search(pending, first) if first >= 0 else None
        return found.start() if found else None

    def _look_for_smuggling(self, pending: bytes, start: int, stop: int) -> None:
        if not self.smuggling:
            self.smuggling = _SMUGGLED.search(pending, start, stop) is not None

    def _keep(self, pending: bytes, *, stuffed: bool) -> bytes:
        """Hold back what cannot be judged yet; the rest is content."""
        undecided = _UNDECIDED.search(pending, max(len(pending) - _UNDECIDED_OCTETS, 0))
        cut = undecided.start() if undecided else len(pending)
        self._held = pending[cut:]
        return self._content(pending[:cut], stuffed=stuffed)

    def _content(self, sent: bytes, *, stuffed: bool) -> bytes:
        """`sent` without its stuffed dots. It never begins or ends within a CRLF."""
        if self._track_bare and not self.bare_newlines:
            pairs = sent.count(b"\r\n")
            self.bare_newlines = not pairs == sent.count(b"\r") == sent.count(b"\n")
        content = sent.replace(b"\r\n.", b"\r\n") if stuffed else sent
        if self._opening and content:
            content = content[self._opening :]
            self._opening = 0
        self.received += len(content)
        return content
