"""Multiparts, types and files as mailers write them that keep no standard (kinds B, H and L)."""

from tests.support.cases import cases
from tests.support.written import TEXT, multipart, page_of, read

PAGE = "Content-Type: text/html; charset=utf-8\n\n<p>The page</p>"
PDF = "Content-Type: application/pdf; name=a.pdf\n\nPDF"


def again(inner: str, *parts: str) -> str:
    """A part that is a multipart with the boundary of the one around it."""
    within = "".join(f"--BB\n{part}\n" for part in parts)
    return f"Content-Type: multipart/{inner}; boundary=BB\n\n{within}"


def test_a_multipart_may_take_up_the_boundary_around_it() -> None:
    both = again("alternative", TEXT, PAGE)
    spoken = both.replace("\n\n", "\n\nIn MIME.\n", 1)
    between = "Content-Type: multipart/related; boundary=CC\n\n"
    deeper = f"{between}--CC\n{both}--BB--\n--CC\n{PDF}\n--CC--"
    wanted = {
        "one end": multipart("mixed", again("alternative", TEXT, PAGE, PDF)),
        "two ends": multipart("mixed", f"{both}--BB--", PDF),
        "text before": multipart("mixed", f"{spoken}--BB--", PDF),
        "another between": multipart("mixed", deeper),
        "no end": multipart("mixed", f"{both}--BB--", PDF).removesuffix("--BB--\n"),
    }
    with cases() as case:
        for name, written in wanted.items():
            with case(name):
                found, text = read(written)
                assert (text, page_of(found)) == ("The letter", "<p>The page</p>")
                assert [part.filename for part in found.attachments] == ["a.pdf"]
