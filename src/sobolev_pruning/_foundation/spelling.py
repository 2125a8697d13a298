"""How names are written on a line among other words: as they are, or in double quotes."""

import re

QUOTED = r'"(?:[^"]|"")+"'
BARE = r'[^\s"<>=~;,/\[\]]+(?:\[[\d,\s]*\])*'
NAME = rf"(?:{QUOTED}|{BARE})"
"""A name stands as it is, in its own case; in double quotes where it holds blanks or signs, two for one of its own."""


def quoted(name: str) -> str:
    """`name` in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def unquoted(text: str) -> str:
    """The name that is meant by `text`, quoted or not.

    >>> unquoted('"implied vol"'), unquoted("spot")
    ('implied vol', 'spot')
    """
    return text[1:-1].replace('""', '"') if re.fullmatch(QUOTED, text) else text


def spelled(name: str) -> str:
    """`name`, in quotes where it needs them: where it holds blanks or signs, or could be taken for a number.

    >>> spelled("spot[0]"), spelled("implied vol"), spelled("3")
    ('spot[0]', '"implied vol"', '"3"')
    """
    return name if re.fullmatch(BARE, name) and not name.isdecimal() else quoted(name)


def split_list(text: str) -> list[str]:
    """The parts of `text` between commas; those inside of quotes, and of brackets around numbers, divide nothing.

    >>> split_list('spot[0,1], "a, b"=0:1,')
    ['spot[0,1]', '"a, b"=0:1', '']
    """
    parts, start = [], 0
    for comma in re.finditer(rf"{QUOTED}|\[[\d,\s]*\]|(,)", text):
        if comma[1]:
            parts.append(text[start : comma.start()].strip())
            start = comma.end()
    return [*parts, text[start:].strip()]
