"""The files of the page: ours and one vendored file, small, and without a way to be tricked."""

import gzip
import hashlib
import re
import tomllib
from pathlib import Path

import pytest

import admin_api.console
from admin_api.console.files import static_files, url_of
from tests.admin_api.console.threads import mail, parsed, whole_thread
from tests.admin_api.console.visitor import signed_in, visitor
from tests.builders import MEMBER, SUPPORT, World, receive_all
from tests.test_layering import imports

ROOT = Path(admin_api.console.__file__).parent
PYTHON = sorted(ROOT.rglob("*.py"))
TEMPLATES = sorted((ROOT / "html").glob("*.html"))
SCRIPTS = sorted((ROOT / "static").glob("*.js"))
# What views and the rest import of the store: values without a query.
VALUES = {"storage.clock", "storage.database", "storage.errors", "storage.ids", "storage.address"}
DOORS = {"cookie.py", "edge.py", "visit.py"}  # these know users and sessions
ATTRIBUTES = {
    *("hx-get", "hx-post", "hx-target", "hx-swap", "hx-trigger", "hx-push-url"),
    *("hx-include", "hx-indicator", "hx-sync", "hx-select"),
}
FIRST_LOAD = 45 << 10
MOST_LINES = 6112
MOST_LINES_OF_SCRIPT = 1200
MOST_OF_SCRIPTS = 12 << 10


@pytest.mark.parametrize("file", PYTHON, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_module_of_the_page_has_queries_of_its_own(file: Path) -> None:
    stored = {one for one in imports(file) if one.startswith("storage.")}
    allowed = {
        one
        for one in stored
        if any(one == value or one.startswith(value + ".") for value in VALUES)
        or (file.name in DOORS and one.startswith("storage.accounts"))
    }

    assert stored - allowed == set()


def test_nothing_marks_text_as_safe_and_no_frame_runs_scripts() -> None:
    for file in (*PYTHON, *TEMPLATES, *SCRIPTS):
        text = file.read_text()
        assert not re.search(r"\|\s*safe\b|Markup\b|autoescape\s+false|allow-scripts", text), file
        assert not re.search(r"\binsertAdjacentHTML|document\.write|\beval\(|new Function", text), (
            file
        )


def test_templates_hold_no_script_no_style_and_only_known_attributes_of_htmx() -> None:
    for file in TEMPLATES:
        text = file.read_text()
        assert not re.search(
            r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|javascript:", text
        ), file
        assert set(re.findall(r"\bhx-[\w:-]+", text)) <= ATTRIBUTES, file
        for value in re.findall(r'hx-trigger="([^"]*)"', text):
            assert "[" not in value and "js:" not in value, file


def test_no_style_looks_into_what_an_element_holds() -> None:
    """With `:has()`, a browser looks up from each element that is added: rows come by fifty."""
    assert ":has(" not in (ROOT / "static" / "page.css").read_text()


def test_every_form_carries_the_token_but_the_sign_in() -> None:
    for file in TEMPLATES:
        for form in re.findall(r"<form .*?</form>", file.read_text(), re.DOTALL):
            assert 'method="post"' not in form or "token.html" in form or "sign-in/" in form, file


@pytest.mark.parametrize("folder", sorted((ROOT / "vendor").iterdir()), ids=lambda one: one.name)
def test_a_vendored_file_is_the_published_one(folder: Path) -> None:
    told = tomllib.loads((folder / "VENDOR.toml").read_text())
    (file,) = folder.glob("*.js")

    assert folder.name == f"{told['name']}-{told['version']}"
    assert hashlib.sha256(file.read_bytes()).hexdigest() == told["sha256"]
    assert "Zero-Clause BSD" in (folder / "LICENSE").read_text()


def test_the_page_stays_small() -> None:
    read = [line for file in (*PYTHON, *TEMPLATES) for line in file.read_text().splitlines()]
    lines = sum(not line.lstrip().startswith("# ") for line in read)  # reasons are welcome
    scripts = sum(len(file.read_text().splitlines()) for file in SCRIPTS)

    assert lines <= MOST_LINES
    assert scripts <= MOST_LINES_OF_SCRIPT


async def test_the_first_load_fits_into_the_budget(world: World) -> None:
    """A list of fifty threads and every file of ours, whether or not this page asks for it."""
    bodies = [mail(f"Text {n}.", subject=f"Letter {n}", to=SUPPORT) for n in range(50)]
    await receive_all(world, SUPPORT, bodies=bodies)
    await parsed(world)
    page = (await (await signed_in(world, MEMBER)).get(f"/console/{SUPPORT}/")).content
    assert page.count(b'class="row') == 50
    files = {name: len(file.packed) for name, file in static_files().files.items()}

    assert len(gzip.compress(page)) + sum(files.values()) <= FIRST_LOAD, files


def with_imports(names: set[str]) -> set[str]:
    """Scripts, and all that they import."""
    imported = {
        one
        for name in names
        for one in re.findall(r'from "\./(\w+\.js)"', (ROOT / "static" / name).read_text())
    }
    return names if imported <= names else with_imports(names | imported)


async def test_our_scripts_of_a_page_are_small(world: World) -> None:
    """Those of a list, and of a thread but for the composer, which is for sending."""
    shown = await whole_thread(world, [mail("Text.")], SUPPORT)
    who = await signed_in(world, MEMBER)
    for path in (f"/console/{SUPPORT}/", shown.path):
        page = (await who.get(path)).text
        own = with_imports(
            {*re.findall(r'src="[^"]*/(\w+\.js)"', page)} - {"htmx.js", "compose.js"}
        )
        sizes = {name: len(static_files().files[name].packed) for name in own}
        assert len(sizes) > 6
        assert sum(sizes.values()) <= MOST_OF_SCRIPTS, sizes


async def test_files_are_kept_for_a_year_and_change_their_path_with_their_content(
    world: World,
) -> None:
    who = visitor(world)
    for name, file in static_files().files.items():
        url = url_of(name)
        plain = await who.http.get(url, headers={"Accept-Encoding": "identity"})
        packed = await who.http.get(url, headers={"Accept-Encoding": "gzip"})
        assert plain.content == packed.content == file.plain
        assert packed.headers["content-encoding"] == "gzip"
        assert plain.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert plain.headers["content-type"] == file.media_type
        assert plain.headers["x-content-type-options"] == "nosniff"
        assert plain.headers["content-security-policy"].startswith("default-src 'none'")
        assert len("".join(f"{one}: {text}  " for one, text in packed.headers.items())) < 450
        assert "set-cookie" not in plain.headers

    version = static_files().version
    for path in (
        *("", version, f"{version}/", f"{version}/nothing.js", "0123/form.js"),
        *(f"{version}/../edge.py", f"{version}/%2e%2e/edge.py", f"{version}/form.js/"),
    ):
        assert (await who.get(f"/console/static/{path}")).status_code == 404, path
    assert (await who.http.post(url_of("form.js"))).status_code == 405
