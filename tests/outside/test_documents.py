"""The documents: every page is in the site and leads somewhere, is read alike on a code host, and needs no network."""

import re
import subprocess
import sys
import tomllib
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import markdown
import pytest
import yaml
from markdown_it import MarkdownIt

from tests.support.places import ROOT

# Markdown that is no part of the documentation: forms of a code host, and notes beside tests.
NOT_PAGES = (".github/", "tests/")
# What each reader's page is for, and that README leads to it in one step.
READERS = {
    "docs/try.md": "try it",
    "docs/integrating.md": "connect an EHR",
    "docs/own-the-content.md": "change what it says",
    "docs/writing-a-pack.md": "another drug",
    "docs/population.md": "before go-live",
    "deploy/README.md": "run it",
    "docs/faq.md": "why",
    "docs/upgrading.md": "upgrade",
    "docs/glossary.md": "word",
}
# Elements that Python-Markdown, with which the site is made, and CommonMark, which code hosts read, must find alike.
COUNTED = ("li", "ul", "ol", "pre", "table", "tr", "td", "h1", "h2", "h3", "h4", "blockquote", "img", "strong")


def pages() -> list[str]:
    """Every Markdown file under version control, or about to be."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    return sorted(name for name in listed if name and (ROOT / name).is_file() and not name.startswith(NOT_PAGES))


def loaded(path: str):
    """A module of ``docs/site``, which is no package."""
    spec = spec_from_file_location(Path(path).stem, ROOT / path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def configured() -> dict:
    """What ``mkdocs.yml`` says."""

    class Loader(yaml.SafeLoader):
        """Reads ``mkdocs.yml``, in which functions are named as well."""

    Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)
    return yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Loader)  # noqa: S506


def built(folder: Path, *, config: Path = ROOT / "mkdocs.yml") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", config, "-d", folder]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = built(folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_of_the_repository_is_in_the_site(site):
    listed = list(paths_in(configured()["nav"]))
    assert sorted(listed) == pages()
    assert len(set(listed)) == len(listed)
    for page in listed:
        made = re.sub(r"(^|/)README\.md$", r"\1index.html", page).removesuffix(".md")
        assert (site / (made if made.endswith(".html") else f"{made}.html")).is_file(), page


def paths_in(nav):
    """The pages that ``nav`` lists."""
    for entry in nav:
        for below in entry.values():
            yield from [below] if isinstance(below, str) else paths_in(below)


def test_a_link_and_an_anchor_that_lead_nowhere_are_noticed(tmp_path):
    """The site of two pages whose links are wrong on purpose is not made, by the settings that ours is made with."""
    first, second, missing = "README.md", "CHANGELOG.md", "SECURITY.md"
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / first).write_text(f"# A\n\n[page]({missing}), [anchor]({second}#none), [right]({second}#b)\n")
    (tmp_path / "docs" / second).write_text("# B\n")
    whole = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    kept = re.search(r"^markdown_extensions:.*?(?=^nav:)", whole, re.M | re.S)[0]
    (tmp_path / "mkdocs.yml").write_text(f"site_name: wrong\n{kept}nav: [{first}, {second}]\n")
    done = built(tmp_path / "site", config=tmp_path / "mkdocs.yml")
    assert done.returncode == 1
    assert f"'{missing}'" in done.stderr and f"'{second}#none'" in done.stderr
    assert f"'{second}#b'" not in done.stderr


def test_nothing_is_loaded_from_elsewhere(site):
    """A hospital may have no network, and nobody shall learn who reads what."""
    for path in [*site.rglob("*.html"), *site.rglob("*.css"), *site.rglob("*.svg")]:
        text = path.read_text(encoding="utf-8")
        found = re.findall(r"""<(?:script|img|iframe|source)[^>]+src=["']?(?:https?:)?//[^"'\s>]+""", text)
        found += re.findall(r"""<link[^>]+rel=["']?(?:stylesheet|preconnect|icon)[^>]+href=["']?https?://[^>]+""", text)
        found += re.findall(r"""(?:@import\s+|url\()["']?https?://[^"')]+""", text)
        assert found == [], path


@pytest.mark.parametrize("page", pages())
def test_a_page_is_read_alike_on_a_code_host_and_in_the_site(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    hook = loaded("docs/site/pages.py")
    host = MarkdownIt("commonmark").enable("table").render(text)
    extensions = ["tables", "sane_lists", "attr_list", "pymdownx.superfences"]
    made = markdown.markdown(hook.named_blocks(text), extensions=extensions)
    assert {tag: len(re.findall(rf"<{tag}\b", made)) for tag in COUNTED if tag != "pre"} == {
        tag: len(re.findall(rf"<{tag}\b", host)) for tag in COUNTED if tag != "pre"
    }
    assert made.count('<div class="highlight">') == host.count("<pre>")
    assert "```" not in made


def test_readme_leads_to_the_page_of_each_reader_in_one_step():
    rows = re.findall(r"^\| (.+) \| (.+) \|$", (ROOT / "README.md").read_text(encoding="utf-8"), re.M)
    for page, want in READERS.items():
        assert any(want in left and f"]({page})" in right for left, right in rows), page


def test_the_prose_of_readme_after_its_picture_is_one_screen():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    prose = text.partition("![")[2].partition("## I want to")[0]
    assert len(prose.split()) < 260


def test_every_picture_is_as_it_is_drawn():
    """Otherwise: make pictures."""
    pictures = loaded("docs/site/pictures.py")
    for name, drawn in pictures.PICTURES.items():
        assert (pictures.FOLDER / name).read_text(encoding="utf-8") == drawn(), name
    assert {path.name for path in pictures.FOLDER.iterdir()} == set(pictures.PICTURES)


def test_the_picture_of_rooms_has_every_room_of_the_contract():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (layers,) = (c["layers"] for c in project["tool"]["importlinter"]["contracts"] if c["type"] == "layers")
    drawn = loaded("docs/site/pictures.py").rooms()
    for room in re.findall(r"(?<![\w(])\w+(?![\w)])", " ".join(layers)):
        assert f">{room}<" in drawn, room
