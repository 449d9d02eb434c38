"""MAIL and RCPT arguments mean what RFC 5321 says, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.smtp import replies
from gateway.smtp.command_arguments import BadCommand, MailCommand, Path, parse_mail, parse_rcpt
from gateway.smtp.replies import Reply


def rcpt(argument: bytes, *, smtputf8: bool = False) -> tuple[str, str]:
    path = parse_rcpt(argument, smtputf8=smtputf8).forward_path
    return path.local_part, path.domain


def refusal_of_rcpt(argument: bytes, *, smtputf8: bool = False) -> Reply:
    with pytest.raises(BadCommand) as caught:
        parse_rcpt(argument, smtputf8=smtputf8)
    return caught.value.reply


def refusal_of_mail(argument: bytes, *, smtputf8_offered: bool = True) -> Reply:
    with pytest.raises(BadCommand) as caught:
        parse_mail(argument, smtputf8_offered=smtputf8_offered)
    return caught.value.reply


@pytest.mark.parametrize(
    ("argument", "parts"),
    [
        (b"TO:<team@x>", ("team", "x")),
        (b"to:<team@x>", ("team", "x")),
        (b"TO: <team@x>", ("team", "x")),
        (b"TO:<team@x> ", ("team", "x")),
        (b'TO:<"team"@x>', ("team", "x")),
        (b'TO:<"te am"@x>', ("te am", "x")),
        (rb'TO:<"te\"a\\m>"@x>', ('te"a\\m>', "x")),
        (b"TO:<TEAM@X>", ("TEAM", "X")),
        (b"TO:<team+tag@x>", ("team+tag", "x")),
        (b"TO:<@r1,@r2:team@x>", ("team", "x")),
        (b"TO:<@[127.0.0.1]:team@x>", ("team", "x")),
        (b"TO:<team@x.>", ("team", "x")),
        (b"TO:<Postmaster>", ("Postmaster", "")),
        (b"TO:<POSTMASTER>", ("POSTMASTER", "")),
        (b"TO:<team%evil@x>", ("team%evil", "x")),
        (b"TO:<evil!team@x>", ("evil!team", "x")),
        (b"TO:<=?utf-8?q?team?=@x>", ("=?utf-8?q?team?=", "x")),
        (b"TO:<=?utf-8?q?a=0d=0ab?=@x>", ("=?utf-8?q?a=0d=0ab?=", "x")),
        (b"TO:<team@[127.0.0.1]>", ("team", "[127.0.0.1]")),
        (b"TO:<team@[IPv6:::1]>", ("team", "[IPv6:::1]")),
        (b"TO:<" + b"a" * 64 + b"@x>", ("a" * 64, "x")),
    ],
)
def test_a_recipient_is_read(argument: bytes, parts: tuple[str, str]) -> None:
    assert rcpt(argument) == parts


@pytest.mark.parametrize(
    "path",
    [
        b"",
        b"<>",
        b"<@>",
        b"<team>",
        b"<team@>",
        b"<@x>",
        b"team@x",
        b"<team@x",
        b"team@x>",
        b"<team@x>x",
        b"<team@x>\t",
        b"<<team@x>>",
        b"< team@x>",
        b"<team@x >",
        b"<te am@x>",
        b"<team@x@y>",
        b"<.team@x>",
        b"<team.@x>",
        b"<te..am@x>",
        b'<""@x>',
        b'<"team@x>',
        b'<"te"am@x>',
        b"<(comment)team@x>",
        b"<team@x,other@x>",
        b"<team@a..b>",
        b"<team@.x>",
        b"<team@x..>",
        b"<team@[]>",
        b"<team@[127.0.0.1>",
        b"<@r1;team@x>",
        b"<@r1,r2:team@x>",
        b"<@:team@x>",
        b"<@r1:postmaster>",
        b"<te\x00am@x>",
        b"<team@x\x00>",
        b'<"te\x00am"@x>',
        b'<"te\ram"@x>',
        b'<"te\\\nam"@x>',
        b"<te\x7fam@x>",
        b"<te\tam@x>",
        b"<te\xc2\x85am@x>",
        b"<" + b"a" * 65 + b"@x>",
        b"<" + b"a" * 400 + b"@x>",
        b"<team@" + b"a" * 64 + b">",
        b"<team@" + b".".join([b"a" * 60] * 5) + b">",
    ],
)
def test_a_bad_path_is_refused(path: bytes) -> None:
    assert refusal_of_rcpt(b"TO:" + path, smtputf8=True) is replies.BAD_RECIPIENT


@pytest.mark.parametrize("argument", [b"", b"TO", b"FROM:<team@x>", b"T O:<team@x>", b"<team@x>"])
def test_rcpt_without_to_is_a_syntax_error(argument: bytes) -> None:
    assert refusal_of_rcpt(argument) is replies.SYNTAX_RCPT


@pytest.mark.parametrize(
    "path",
    [b"<a@x", b"a@x", b"<a>", b"<postmaster>", b"<a\x00@x>", b"<" + b"a" * 65 + b"@x>", b"<><>"],
)
def test_a_bad_sender_is_refused(path: bytes) -> None:
    assert refusal_of_mail(b"FROM:" + path) is replies.BAD_SENDER


def test_mail_without_from_is_a_syntax_error() -> None:
    assert refusal_of_mail(b"TO:<a@b>") is replies.SYNTAX_MAIL
    assert refusal_of_mail(b"") is replies.SYNTAX_MAIL


def test_parameters_of_mail_are_read_in_any_case_and_order() -> None:
    assert parse_mail(b"from: <A@b.> smtputf8  body=8bitmime SIZE=10 ") == MailCommand(
        Path("A", "b", "A@b."), 10, "8BITMIME", True
    )
    assert parse_mail(b"FROM:<a@b>") == MailCommand(Path("a", "b", "a@b"), None, "7BIT", False)


def test_the_null_reverse_path_is_none() -> None:
    assert parse_mail(b"FROM:<>").reverse_path is None
    assert parse_mail(b"FROM:<> SIZE=1").size == 1


def test_a_sender_may_have_stray_dots() -> None:
    assert parse_mail(b"FROM:<a..b.@x>").reverse_path == Path("a..b.", "x", "a..b.@x")


@pytest.mark.parametrize(
    ("parameters", "reply"),
    [
        (b"SIZE=", replies.BAD_PARAMETER),
        (b"SIZE", replies.BAD_PARAMETER),
        (b"SIZE=ten", replies.BAD_PARAMETER),
        (b"SIZE=-1", replies.BAD_PARAMETER),
        (b"SIZE=1=1", replies.BAD_PARAMETER),
        (b"SIZE=" + b"1" * 21, replies.BAD_PARAMETER),
        (b"SIZE=\xd9\xa1", replies.BAD_PARAMETER),
        (b"SIZE=1 size=1", replies.BAD_PARAMETER),
        (b"SMTPUTF8 SMTPUTF8", replies.BAD_PARAMETER),
        (b"SMTPUTF8=yes", replies.BAD_PARAMETER),
        (b"BODY", replies.BAD_PARAMETER),
        (b"BODY=9BIT", replies.BAD_PARAMETER),
        (b"=1", replies.BAD_PARAMETER),
        (b"-A=1", replies.BAD_PARAMETER),
        (b"SIZE=1\r", replies.BAD_PARAMETER),
        (b"SIZE=1\x00", replies.BAD_PARAMETER),
        (b"SIZE=\xff", replies.BAD_UTF8),
        (b"BODY=BINARYMIME", replies.UNKNOWN_PARAMETER),
        (b"RET=HDRS", replies.UNKNOWN_PARAMETER),
        (b"AUTH=<>", replies.UNKNOWN_PARAMETER),
        (b"XYZZY", replies.UNKNOWN_PARAMETER),
    ],
)
def test_a_parameter_we_cannot_take_is_refused(parameters: bytes, reply: Reply) -> None:
    assert refusal_of_mail(b"FROM:<a@b> " + parameters) is reply


def test_the_largest_size_has_twenty_digits() -> None:
    assert parse_mail(b"FROM:<a@b> SIZE=" + b"9" * 20).size == 10**20 - 1


def test_rcpt_takes_no_parameters() -> None:
    assert refusal_of_rcpt(b"TO:<a@b> NOTIFY=NEVER") is replies.UNKNOWN_PARAMETER
    assert refusal_of_rcpt(b"TO:<a@b> =") is replies.BAD_PARAMETER


def test_an_address_beyond_ascii_needs_smtputf8() -> None:
    argument = "TO:<team@bücher.example>".encode()
    assert rcpt(argument, smtputf8=True) == ("team", "bücher.example")
    assert refusal_of_rcpt(argument) is replies.NEEDS_SMTPUTF8
    sender = "FROM:<Zoë@x>".encode()
    assert refusal_of_mail(sender) is replies.NEEDS_SMTPUTF8
    assert parse_mail(sender + b" SMTPUTF8").smtputf8


def test_smtputf8_is_unknown_where_it_was_not_offered() -> None:
    refusal = refusal_of_mail(b"FROM:<a@b> SMTPUTF8", smtputf8_offered=False)
    assert refusal is replies.UNKNOWN_PARAMETER


def test_bad_utf8_is_refused() -> None:
    assert refusal_of_rcpt(b"TO:<te\xffam@x>", smtputf8=True) is replies.BAD_UTF8
    assert refusal_of_rcpt(b"TO:<te\xed\xa0\x80am@x>", smtputf8=True) is replies.BAD_UTF8
    assert refusal_of_mail(b"FROM:<a\xc3@x>") is replies.BAD_UTF8


@given(st.one_of(st.binary(max_size=60), st.text('<>@,:"\\ .a=[]\x00é', max_size=60)))
def test_any_argument_is_a_path_or_a_refusal(argument: bytes | str) -> None:
    tail = argument if isinstance(argument, bytes) else argument.encode()
    for candidate in (tail, b"TO:" + tail, b"TO:<a@b> " + tail):
        try:
            path = parse_rcpt(candidate, smtputf8=True).forward_path
        except BadCommand:
            continue
        assert path.local_part.isprintable() or not path.local_part.isascii()
        assert "\r" not in path.raw and "\n" not in path.raw and "\x00" not in path.raw
