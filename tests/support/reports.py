"""Reports about letters, as mail servers write them (RFC 3464)."""

from __future__ import annotations

POSTFIX = """\
From: MAILER-DAEMON@relay.test (Mail Delivery System)
To: {to}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
Message-ID: <{name}@relay.test>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b1"

--b1
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered.

--b1
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; relay.test
{envelope}X-Postfix-Queue-ID: 4F1C2
Arrival-Date: Fri, 15 Jan 2027 08:00:00 +0000 (UTC)

{groups}
--b1
Content-Type: text/rfc822-headers

Subject: Re: Renewal

--b1--
"""
GROUP = """\
Final-Recipient: rfc822; {email}
Original-Recipient: rfc822;{email}
Action: {action}
Status: {status}
Remote-MTA: dns; mx.sender.test
Diagnostic-Code: smtp; {said}
"""


def report(
    *recipients: tuple[str, str, str, str],
    to: str = "bounce@example.test",
    envelope: str = "",
    name: str = "r1",
) -> bytes:
    """Write a report; each recipient is its address, action, status and diagnostic."""
    groups = "\n".join(
        GROUP.format(email=email, action=action, status=status, said=said)
        for email, action, status, said in recipients
    )
    named = f"Original-Envelope-Id: {envelope}\n" if envelope else ""
    text = POSTFIX.format(to=to, name=name, envelope=named, groups=groups)
    return text.replace("\n", "\r\n").encode()
