"""Charsets that only the octets tell."""

import pytest

from gateway.parser.detection import likely_codec
from storage.message_format.charsets import decode_text
from tests.support.cases import cases

# By codec, short texts as people write them; nothing declares them.
SHORT = {
    "big5": ["您好，謝謝您的來信，我們會儘快回覆您的問題。", "請問何時可以出貨？訂單編號 12345"],
    "cp866": ["Благодарим вас за обращение.", "Здравствуйте! Заказ 12345 готов."],
    "cp874": ["สวัสดีครับ ขอบคุณสำหรับข้อความของคุณ", "เรียนคุณสมชาย กรุณาส่งใบเสนอราคา"],
    "cp932": ["お世話になっております。山田です。", "添付の見積書をご確認ください。"],
    "cp949": ["안녕하세요", "주문번호 12345 배송 언제 되나요?"],
    "cp1250": ["Kérjük, küldje el az ajánlatot, őszinte üdvözlettel", "Děkujeme za Vaši zprávu."],
    "cp1251": ["Привет", "Здравствуйте! Заказ 12345 готов.", "Дякуємо за ваш лист, їжак"],
    "cp1252": ["Grüße aus Köln, Straße", "Ça va? Où êtes-vous né?", "El niño comió piñas"],
    "cp1253": ["Γεια σου κόσμε", "Η παραγγελία 12345 είναι έτοιμη"],
    "cp1254": ["Günaydın, mesajınız için teşekkür ederiz.", "İyi günler, siparişiniz hazır."],
    "cp1255": ["שלום עולם", "היי, מצורף הקובץ שביקשת. בברכה, דנה"],
    "cp1256": ["السلام عليكم", "طلب رقم 12345 جاهز"],
    "cp1257": ["Ačiū už jūsų laišką, netrukus atsakysime."],
    "euc_jp": [
        "お世話になっております。山田です。",
        "添付の見積書をご確認ください。注文番号 12345",
    ],
    "gbk": ["你好世界", "附件是报价单，请查收。谢谢！"],
    "iso8859_2": ["Dzień dobry, dziękujemy za wiadomość. Odpowiemy wkrótce."],
    "iso8859_5": ["Здравствуйте! Заказ 12345 готов."],
    "koi8_r": ["Здравствуйте! Заказ 12345 готов."],
}


def read(octets: bytes, declared: str | None) -> str:
    codec = likely_codec(octets, declared, is_page=False, whole=True)
    return decode_text(octets, codec)


def test_a_short_text_without_a_charset_is_read() -> None:
    with cases() as case:
        for codec, texts in SHORT.items():
            for text in texts:
                with case(f"{codec}: {text}"):
                    assert read(text.encode(codec), None) == text


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        ("gb18030", "您好，谢谢您的来信，我们会尽快回复您的问题。"),
        ("cp1252", "Größe über alle Straßen"),
        ("cp1251", "Благодарим вас"),
        ("big5hkscs", "您好，謝謝您的來信"),
    ],
)
def test_utf_8_is_read_though_another_charset_is_declared(declared: str, text: str) -> None:
    assert read(text.encode(), declared) == text


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("gb18030", "联通"),
        ("gb18030", "蜡笔"),
        ("cp1252", "Â£5"),
        ("cp1251", "ТЃ"),
        ("cp949", "찾"),
    ],
)
def test_a_few_letters_that_are_utf_8_by_chance_stay_what_is_declared(
    codec: str, text: str
) -> None:
    assert read(text.encode(codec), codec) == text


@pytest.mark.parametrize(
    ("written", "declared", "text"),
    [
        ("euc_jp", "iso-2022-jp", "お世話になっております。"),
        ("cp932", "iso-2022-jp", "お世話になっております。ｶﾀｶﾅ"),
        ("utf-8", "iso-2022-jp", "ほげ"),
        ("cp932", "iso-2022-jp", "ｶﾀｶﾅ"),
        ("hz", "gb18030", "你好世界"),
        ("ascii", "gb18030", "~{ no } ~~"),
        ("utf-16-le", "utf-8", "Hello, plain text"),
        ("utf-16-be", None, "Hello, Größe"),
        ("utf-32-le", "ascii", "Hello"),
        ("utf-8", "utf-16", "Hello Größe"),
        ("utf-16-le", "utf-16", "你好世界"),
        ("utf-16-be", "utf-16-be", "你好，世界\n"),
    ],
)
def test_escapes_and_zeros_tell_what_a_label_does_not(
    written: str, declared: str | None, text: str
) -> None:
    assert read(text.encode(written), declared) == text


@pytest.mark.parametrize(
    "head",
    [
        "<!-- <meta charset=koi8-r> --><meta charset=windows-1251>",
        "<style>" + "p{color:red}" * 600 + "</style><meta charset=windows-1251>",
    ],
)
def test_the_meta_of_a_page_is_found_behind_comments_and_styles(head: str) -> None:
    octets = head.encode() + "Да".encode("cp1251")
    assert likely_codec(octets, None, is_page=True, whole=True) == "cp1251"


def test_utf_32_is_known_by_its_mark() -> None:
    assert read("Größe".encode("utf-32"), "utf-32") == "Größe"
