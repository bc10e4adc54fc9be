"""Names that have broken other systems, in every character set of DICOM (PS3.3 C.12.1.1.2)."""

from typing import Final

import dicom_node.pixels.load  # noqa: F401  # it teaches pydicom ISO_IR 203

EVERY_CHARSET: Final[dict[str, tuple[str | tuple[str, ...], str]]] = {
    "latin1": ("ISO_IR 100", "Müller^Zoë"),
    "latin2": ("ISO_IR 101", "Dvořák^Łukasz"),
    "latin3": ("ISO_IR 109", "Ċetta^Ħalim"),
    "latin4": ("ISO_IR 110", "Kļaviņš^Jānis"),
    "cyrillic": ("ISO_IR 144", "Люкceмбypг^Анна"),
    "arabic": ("ISO_IR 127", "قباني^لنزار"),
    "greek": ("ISO_IR 126", "Διονυσιος^Σ"),
    "hebrew": ("ISO_IR 138", "שרון^דבורה"),
    "latin5": ("ISO_IR 148", "Çavuşoğlu^Şğı"),
    "latin9": ("ISO_IR 203", "Œuvre^Žižek"),
    "thai": ("ISO_IR 166", "นามสกุล^ชื่อ"),
    "katakana": ("ISO_IR 13", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
    "japanese": (("", "ISO 2022 IR 87"), "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    "japanese_katakana": (("ISO 2022 IR 13", "ISO 2022 IR 87"), "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
    "korean": (("", "ISO 2022 IR 149"), "Hong^Gildong=洪^吉洞=홍^길동"),
    "chinese_2022": (("", "ISO 2022 IR 58"), "Zhang^XiaoDong=张^小东"),
    "gb18030": ("GB18030", "Wang^XiaoDong=王^小东"),
    "gbk": ("GBK", "Wang^XiaoDong=王^小东"),
    "utf8": ("ISO_IR 192", "Ångström^Zoë=王^小东=やまだ^たろう"),
    "ascii": ("", "Plain^Ascii"),
}
"""Specific Character Set, and a name that it can write."""

WORST: Final = {
    "html": '<img src=w onerror=alert(1)>^"><script>alert(2)</script>',
    "sql": "Robert'); DROP TABLE studies;--^x",
    "path": "../../../../tmp/evil^..",
    "percent": "%s%n%d^{0}{__class__}$(id)`id`",
    "markup": "[bold red]x[/]^[/link]",
    "override": "gnp\u202egpj^\u2066x",
    "combining": "e\u0301\u0301\u0301^\u200b",
    "astral": "𝔸𝕝𝕚𝕔𝕖^😀",
}
"""In UTF-8; control characters cannot stand in a PN and are tested as bytes."""
