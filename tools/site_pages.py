"""A hook of mkdocs: pages that lie outside of docs/, and Markdown as it is written for readers of the repository.

In the menu of mkdocs.yml, `repository/PATH` stands for the Markdown file PATH of the repository. A relative link leads to the
page of the file or folder that it names. A file without a page, such as a source file, is named without a link. A link to
something that is not in the repository stays, so that the strict build reports it.

mkdocs reads an older Markdown than code hosts do: what belongs to an item of a list has to be indented by four, and a fence
counts at the beginning of a line only. Both are rewritten, and the title of a code block goes above it.
"""

from __future__ import annotations

import posixpath
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PREFIX = "repository/"
# A code block or a code span, which stay as they are; else an inline link or picture.
_LINK = re.compile(
    r"(^ *```.*?^ *```$|``[^`]+``|`[^`\n]+`)|(!?)\[((?:[^\]\[]|\[[^\]]*\])*)\]\(([^)\s]+)\)", re.MULTILINE | re.DOTALL
)
_FENCE = re.compile(r'^( *)```(\w*)(?: +(?:title="([^"]+)")?[^\n]*)?\n(.*?)^\1```$', re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: Any) -> Files:
    """Add the pages outside of docs/ that the menu names."""
    for path in _named(config["nav"]):
        if path.startswith(PREFIX):
            files.append(File.generated(config, path, abs_src_path=str(ROOT / path.removeprefix(PREFIX))))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Files) -> str:
    """Lead the page's links to pages of the site, and write it in mkdocs' Markdown."""
    here = page.file.src_uri

    def replace(hit: re.Match[str]) -> str:
        if hit[1] or re.match(r"[a-z]+:|#", hit[4]):
            return hit[0]
        path, _, anchor = hit[4].partition("#")
        target = posixpath.normpath(posixpath.join(posixpath.dirname(_in_repository(here)), path))
        for name in (target, f"{target}/README.md"):
            found = _in_site(name)
            if files.get_file_from_path(found):
                relative = posixpath.relpath(found, posixpath.dirname(here))
                return f"{hit[2]}[{hit[3]}]({relative}{'#' + anchor if anchor else ''})"
        return hit[3] if (ROOT / target).exists() else hit[0]

    return _older_markdown(_LINK.sub(replace, markdown))


def _older_markdown(text: str) -> str:
    """The text with lists and code blocks as mkdocs needs them."""
    parts, end = [], 0
    for hit in _FENCE.finditer(text):
        parts += [_deeper(text[end : hit.start()]), _code_block(hit)]
        end = hit.end()
    return "".join([*parts, _deeper(text[end:])])


def _deeper(text: str) -> str:
    return re.sub(r"^ {2,3}(?=\S)", " " * 4, text, flags=re.MULTILINE)


def _code_block(hit: re.Match[str]) -> str:
    indent = " " * 4 if hit[1] else ""
    title = f"{indent}*{hit[3]}*\n\n" if hit[3] else ""
    if not indent:
        return f"{title}```{hit[2]}\n{hit[4]}```"
    return title + textwrap.indent(textwrap.dedent(hit[4]), indent * 2).rstrip("\n")


def _named(nav: Any) -> Iterator[str]:
    """Every path in the menu."""
    if isinstance(nav, str):
        yield nav
    for item in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from _named(item)


def _in_repository(page: str) -> str:
    """The path in the repository of a path in the site."""
    return page.removeprefix(PREFIX) if page.startswith(PREFIX) else f"docs/{page}"


def _in_site(path: str) -> str:
    """The path in the site of a path in the repository."""
    return path.removeprefix("docs/") if path.startswith("docs/") else f"{PREFIX}{path}"
