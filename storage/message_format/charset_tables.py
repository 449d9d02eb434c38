"""Charsets of which Python knows nothing: VISCII, ARMSCII-8 and the Georgian ones.

`TABLES` has the characters of all 256 octets, by the name of the codec.
"""

_PLAIN = "".join(map(chr, range(128)))
_GEORGIAN = "\x80\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8d\x8e\x8f\x90‘’“”•–—˜™š›œ\x9d\x9eŸ" + "".join(
    map(chr, range(0xA0, 0xC0))
)
TABLES = {
    "armscii-8": _PLAIN
    + "".join(map(chr, range(0x80, 0xA1)))
    + "\ufffdև։)(»«—.՝,-֊…՜՛՞ԱաԲբԳգԴդԵեԶզԷէԸըԹթԺժԻիԼլԽխԾծԿկՀհՁձՂղՃճՄմՅյՆնՇշՈոՉչՊպՋջՌռՍսՎվՏտՐրՑցՒւ"
    "ՓփՔքՕօՖֆ՚\ufffd",
    "georgian-academy": _PLAIN
    + _GEORGIAN
    + "აბგდევზთიკლმნოპჟრსტუფქღყშჩცძწჭხჯჰჱჲჳჴჵჶçèéêëìíîïðñòóôõö÷øùúûüýþÿ",
    "georgian-ps": _PLAIN
    + _GEORGIAN
    + "აბგდევზჱთიკლმნჲოპჟრსტჳუფქღყშჩცძწჭხჴჯჰჵæçèéêëìíîïðñòóôõö÷øùúûüýþÿ",
    "viscii": _PLAIN.translate({2: "Ẳ", 5: "Ẵ", 6: "Ẫ", 20: "Ỷ", 25: "Ỹ", 30: "Ỵ"})
    + "ẠẮẰẶẤẦẨẬẼẸẾỀỂỄỆỐỒỔỖỘỢỚỜỞỊỎỌỈỦŨỤỲÕắằặấầẩậẽẹếềểễệốồổỗỠƠộờởịỰỨỪỬơớƯÀÁÂÃẢĂẳẵÈÉÊẺÌÍĨỳĐứÒÓÔạỷừửÙÚ"
    "ỹỵÝỡưàáâãảăữẫèéêẻìíĩỉđựòóôõỏọụùúũủýợỮ",
}
