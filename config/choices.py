"""The settings that are one of a few words: the type of each, and its parser.

The words stand once, in the type; an empty one stands for a default that other settings decide.
"""

from typing import Literal, get_args

from config.values import Parser, choice

Switch = Literal["on", "off"]
BareNewline = Literal["accept", "reject"]
Dmarc = Literal["note", "reject"]
Tls = Literal["", "off", "opportunistic", "required"]
SmarthostTls = Literal["starttls", "implicit", "none"]
UnknownSends = Literal["retry", "ask"]
ReturnPath = Literal["verp", "from"]
LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]

switch: Parser[Switch] = choice(get_args(Switch))
bare_newline: Parser[BareNewline] = choice(get_args(BareNewline))
dmarc: Parser[Dmarc] = choice(get_args(Dmarc))
tls: Parser[Tls] = choice(get_args(Tls))
smarthost_tls: Parser[SmarthostTls] = choice(get_args(SmarthostTls))
unknown_sends: Parser[UnknownSends] = choice(get_args(UnknownSends))
return_path: Parser[ReturnPath] = choice(get_args(ReturnPath))
log_format: Parser[LogFormat] = choice(get_args(LogFormat))
log_level: Parser[LogLevel] = choice(get_args(LogLevel))
