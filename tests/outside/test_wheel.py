"""The built wheel, installed into an empty environment, is complete: it serves and replays."""

import re
import subprocess
import time
import urllib.request
import venv
import zipfile
from email import message_from_string
from pathlib import Path

import click

from hatch_build import readme_of, urls_of
from tests.support.places import ROOT
from tests.support.ports import free_port


def files(folder, name):
    """What must travel of a folder of the checkout, with the names that it has in the wheel."""
    paths = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return {f"{name}/{path.as_posix()}" for path in paths if "__pycache__" not in path.parts}


def test_every_file_of_the_package_the_content_and_the_fixtures_travels_in_the_wheel(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = files(ROOT / "cds_service", "cds_service")
    for folder in ("cards", "fixtures"):
        expected |= files(ROOT / folder, f"cds_service/_data/{folder}")
    assert names == expected
    assert {f"cds_service/content/common/{name}.yaml" for name in ("words.en", "units")} < names
    assert not any("examples" in name.split("/") for name in names)  # which nobody has reviewed
    assert {"cds_service/_data/cards/vitamin-b12/lock.json", "cds_service/content/schemas/table.json"} < names


def test_its_metadata_say_what_it_is_and_which_python_it_needs(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = message_from_string(archive.read(name).decode())
    assert (metadata["Name"], metadata["Requires-Python"]) == ("cds-service", ">=3.11.2")
    assert metadata["Summary"] and metadata["Author"] and metadata["Keywords"] and metadata["License-Expression"]
    assert "Programming Language :: Python :: 3.11" in metadata.get_all("Classifier")


def test_Z92_its_page_in_an_index_has_no_link_that_leads_nowhere(wheel):
    """The project has no address yet, so what would be a link to a file of it stands as words."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = message_from_string(archive.read(name).decode())
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_all("Project-URL")
    page = metadata.get_payload()
    targets = re.findall(r"\]\(([^)]*)\)", page)
    assert "https://cds-hooks.hl7.org/" in targets
    assert [target for target in targets if not target.startswith("https://")] == []
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    without_links = re.compile(r"!?\[([^]]*)\]\((?!https:)[^)]*\)")
    assert page == without_links.sub(r"\1", readme)


def test_Z92_with_an_address_links_and_images_lead_to_files_of_the_project():
    address = "https://code.example/org/cds-service"
    page = readme_of((ROOT / "README.md").read_text(encoding="utf-8"), address)
    assert f"]({address}/raw/HEAD/docs/try.png)" in page
    places = [t.removeprefix(address) for t in re.findall(r"\]\(([^)]*)\)", page) if t.startswith(address)]
    assert len(places) > 10
    for place in places:
        path = ROOT / re.sub(r"^/(blob|raw)/HEAD/|#.*", "", place)
        assert path.is_file(), place
    assert readme_of("```\n[a](b)\n```\n[a](b) [c](https://d) [e](#f)", "") == (
        "```\n[a](b)\n```\na [c](https://d) [e](#f)"
    )
    assert {"Source", "Documentation", "Changelog", "Issues"} <= set(urls_of(address))
    assert all(url.startswith("https://") for url in (urls_of("") | urls_of(address)).values())


def test_an_installed_wheel_replays_and_checks_far_from_the_checkout(wheel, tmp_path, monkeypatch):
    """The dependencies are lent by path, so that the test needs no network; the wheel itself is installed."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    home = tmp_path / "env"
    venv.create(home, with_pip=True)
    python = home / "bin/python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", wheel], check=True, capture_output=True)
    site = next((home / "lib").glob("python*/site-packages"))
    lent = Path(click.__file__).parents[1]
    (site / "lent.pth").write_text(f"import sys; sys.path.append({str(lent)!r})\n")
    story = site / "cds_service/_data/fixtures/scenarios/oral.yaml"
    for arguments in (["replay", story], ["check"], ["sample"]):  # check answers every scenario
        done = subprocess.run(
            [home / "bin/cds-service", *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr
    port = free_port()
    process = subprocess.Popen(
        [home / "bin/cds-service", "serve", "--port", str(port)], cwd=tmp_path, stdout=subprocess.DEVNULL
    )
    try:
        assert answers(f"http://127.0.0.1:{port}/readyz")
    finally:
        process.terminate()
        process.wait(10)
    shown = subprocess.run(
        [python, "-c", "import cds_service; print(cds_service.__file__)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(site) in shown.stdout


def answers(url):
    """Whether the address answers within ten seconds."""
    for _ in range(100):
        try:
            with urllib.request.urlopen(url, timeout=1) as reply:  # noqa: S310
                return reply.status == 200
        except OSError:
            time.sleep(0.1)
    return False
