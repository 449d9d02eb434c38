"""Templates: Jinja2 with autoescape and no undefined names, from the package's own files.

- A page is a template that extends `base.html`; a fragment is one block of the same template, so
  that both show the same.
- Nothing in a template marks text as safe: a test looks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from admin_api.console import words
from admin_api.console.files import url_of


class _Templates(Environment):
    """Jinja2's own but for one thing: of a record, `one.x` is its field before anything else.

    A page reads a thousand fields of records; to look for an attribute first, and to fail, takes
    several times as long.
    """

    def getattr(self, obj: object, attribute: str) -> object:
        if type(obj) is dict and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Return the templates of the page; each is compiled when it is first shown."""
    made = _Templates(
        loader=PackageLoader("admin_api.console", "html"),
        # Nearly all that a page shows was written by strangers: none of it may become markup.
        autoescape=True,
        # A misspelt name is a fault in a test, not an empty place in a page.
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals["static"] = url_of
    filters = (words.visible, words.size, words.initials, words.browser, words.told, words.capped)
    made.filters |= {one.__name__: one for one in (*filters, words.tone)}
    return made


def page(template: str, values: Mapping[str, object], *, block: str | None = None) -> str:
    """Return the text of a template, or of one block of it."""
    found = environment().get_template(template)
    if block is None:
        return found.render(values)
    return "".join(found.blocks[block](found.new_context(dict(values))))


def macro(template: str, name: str) -> Callable[..., str]:
    """Return a part of pages that is made apart from them."""
    found: Callable[..., str] = getattr(environment().get_template(template).module, name)
    return found
