"""Menu `utils/string`: text."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from limner.sdk import Bool, Int, Named, Presence, Text, node

from ..errors import UnusableInput

MODULE = "comfy_extras.nodes_string"
CATEGORY = "utils/string"
Lines = Annotated[str, Text(multiline=True)]
CaseSensitive = Annotated[bool, Bool(default=True)]
Off = Annotated[bool, Bool(default=False)]


@node(type="StringConcatenate", title="Concatenate", category=CATEGORY, module=MODULE, lane="cpu", v3=True)
def concatenate(string_a: Lines, string_b: Lines, delimiter: Annotated[str, Text(default="", multiline=False)]) -> str:
    """One text behind the other, with a delimiter between them."""
    return delimiter.join((string_a, string_b))


@node(type="StringSubstring", title="Substring", category=CATEGORY, module=MODULE, lane="cpu", v3=True)
def substring(string: Lines, start: Annotated[int, Int()], end: Annotated[int, Int()]) -> str:
    """The characters from `start` up to `end`; negative numbers count from the end."""
    return string[start:end]


@node(type="StringLength", title="Length", category=CATEGORY, module=MODULE, lane="cpu", v3=True)
def length(string: Lines) -> Annotated[int, Named("length")]:
    """How many characters a text has."""
    return len(string)


@node(type="CaseConverter", title="Case Converter", category=CATEGORY, module=MODULE, lane="cpu", v3=True)
def change_case(string: Lines, mode: Literal["UPPERCASE", "lowercase", "Capitalize", "Title Case"]) -> str:
    """Change the case of letters."""
    changes = {
        "UPPERCASE": str.upper,
        "lowercase": str.lower,
        "Capitalize": str.capitalize,
        "Title Case": str.title,
    }
    return changes[mode](string)


@node(type="StringTrim", title="Trim", category=CATEGORY, module=MODULE, lane="cpu", v3=True)
def trim(string: Lines, mode: Literal["Both", "Left", "Right"]) -> str:
    """Take blanks away at the ends."""
    return {"Both": str.strip, "Left": str.lstrip, "Right": str.rstrip}[mode](string)


@node(type="StringReplace", title="Replace", category=CATEGORY, module=MODULE, lane="cpu", v3=True)
def replace(string: Lines, find: Lines, replace: Lines) -> str:
    """Replace every occurrence of a text by another."""
    return string.replace(find, replace)


@node(type="StringContains", title="Contains", category=CATEGORY, module=MODULE, lane="cpu", v3=True)
def contains(string: Lines, substring: Lines, case_sensitive: CaseSensitive) -> Annotated[bool, Named("contains")]:
    """Whether a text occurs in another."""
    return substring in string if case_sensitive else substring.lower() in string.lower()


@node(type="StringCompare", title="Compare", category=CATEGORY, module=MODULE, lane="cpu", v3=True)
def compare(
    string_a: Lines, string_b: Lines, mode: Literal["Starts With", "Ends With", "Equal"], case_sensitive: CaseSensitive
) -> bool:
    """Whether a text begins with, ends with, or equals another."""
    a, b = (string_a, string_b) if case_sensitive else (string_a.lower(), string_b.lower())
    return {"Starts With": a.startswith(b), "Ends With": a.endswith(b), "Equal": a == b}[mode]


def _flags(ignore_case: bool, multiline: bool, dotall: bool) -> re.RegexFlag:
    chosen = re.NOFLAG
    for flag, wanted in ((re.IGNORECASE, ignore_case), (re.MULTILINE, multiline), (re.DOTALL, dotall)):
        chosen |= flag if wanted else re.NOFLAG
    return chosen


@node(type="RegexMatch", title="Regex Match", category=CATEGORY, module=MODULE, lane="cpu", v3=True)
def regex_match(
    string: Lines, regex_pattern: Lines, case_insensitive: CaseSensitive, multiline: Off, dotall: Off
) -> Annotated[bool, Named("matches")]:
    """Whether a regular expression is found; one that cannot be read is not."""
    try:
        return re.search(regex_pattern, string, _flags(case_insensitive, multiline, dotall)) is not None
    except re.error:
        return False


@node(type="RegexExtract", title="Regex Extract", category=CATEGORY, module=MODULE, lane="cpu", v3=True)
def regex_extract(
    string: Lines,
    regex_pattern: Lines,
    mode: Literal["First Match", "All Matches", "First Group", "All Groups"],
    case_insensitive: CaseSensitive,
    multiline: Off,
    dotall: Off,
    group_index: Annotated[int, Int(default=1, min=0, max=100)],
) -> str:
    """What a regular expression finds, one a line; empty where it finds nothing or cannot be read."""
    try:
        pattern = re.compile(regex_pattern, _flags(case_insensitive, multiline, dotall))
    except re.error:
        return ""
    matches = list(pattern.finditer(string))
    if mode in ("First Match", "First Group"):
        matches = matches[:1]
    if mode in ("First Group", "All Groups"):
        has_group = group_index <= pattern.groups and (mode == "First Group" or pattern.groups > 0)
        return "\n".join(found.group(group_index) or "" for found in matches if has_group)
    whole = min(pattern.groups, 1) if mode == "All Matches" else 0
    return "\n".join(found.group(whole) or "" for found in matches)


@node(type="RegexReplace", title="Regex Replace", category=CATEGORY, module=MODULE, lane="cpu", v3=True)
def regex_replace(
    string: Lines,
    regex_pattern: Lines,
    replace: Lines,
    case_insensitive: Annotated[CaseSensitive, Presence.OPTIONAL] = True,
    multiline: Annotated[Off, Presence.OPTIONAL] = False,
    dotall: Annotated[Off, Presence.OPTIONAL] = False,
    count: Annotated[int, Int(default=0, min=0, max=100, tooltip="At most so many; 0 is all."), Presence.OPTIONAL] = 0,
) -> str:
    """Replace what a regular expression finds; `\\1` in the replacement is its first group."""
    try:
        return re.sub(regex_pattern, replace, string, count=count, flags=_flags(case_insensitive, multiline, dotall))
    except re.error as error:
        raise UnusableInput(
            f"input 'regex_pattern' or 'replace' cannot be read: {error}", "Correct the regular expression"
        ) from None
