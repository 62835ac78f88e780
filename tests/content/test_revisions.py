"""Content at a revision of git is copied out file by file, and nothing of a strange repository leads elsewhere."""

from __future__ import annotations

import subprocess

import pytest

from cds_service.replay.revisions import RevisionError, materialised


@pytest.fixture
def git(tmp_path, monkeypatch):
    """Runs git in a new repository, which is the current folder, and gives what it prints."""
    repository = tmp_path / "repository"
    repository.mkdir()
    monkeypatch.chdir(repository)
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "t")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "t@example.org")

    def run(*command, sent=b""):
        return subprocess.run(["git", *command], input=sent, check=True, capture_output=True).stdout.decode().strip()

    run("init", "-q")
    return run


def committed(git, *entries):
    """A commit whose ``cards`` has these entries (mode, kind, path), made without git's own care for paths."""
    blob = git("hash-object", "-w", "--stdin", sent=b"held\n")
    ids = {"blob": blob, "commit": "1" * 40}
    raw = b"".join(f"{mode} {path}\0".encode() + bytes.fromhex(ids[kind]) for mode, kind, path in entries)
    cards = git("hash-object", "-t", "tree", "--literally", "-w", "--stdin", sent=raw)
    root = git("mktree", sent=f"040000 tree {cards}\tcards\n".encode())
    return git("commit-tree", "-m", "made", root)


def test_every_file_is_copied_byte_for_byte(git, tmp_path):
    contents = {"lock.json": b"{}\n", "a/b c/\xe4.yaml": b"x: 1\r\n\0", "a/empty": b"", "a/blob 3": b"1 blob 3\n\n"}
    for path, content in contents.items():
        (tmp_path / "repository/cards" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "repository/cards" / path).write_bytes(content)
    git("add", "-A")
    git("commit", "-qm", "first")
    folder = materialised("HEAD", tmp_path / "into")
    assert folder == tmp_path / "into/cards"
    copied = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert copied == contents


@pytest.mark.parametrize(
    "entry",
    [
        ("120000", "blob", "link"),
        ("160000", "commit", "submodule"),
        ("100644", "blob", ".."),
        ("100644", "blob", "../../outside"),
        ("100644", "blob", "/outside"),
    ],
    ids=lambda entry: entry[2],
)
def test_what_is_no_plain_file_of_the_folder_is_refused_before_anything_is_written(git, tmp_path, entry):
    revision = committed(git, ("100644", "blob", "-first"), entry)
    with pytest.raises(RevisionError, match="is not a plain file in that folder"):
        materialised(revision, tmp_path / "into")
    assert not (tmp_path / "into").exists()


def test_a_file_that_the_repository_lacks_is_named(git, tmp_path):
    revision = committed(git, ("100644", "blob", "held"))
    blob = git("rev-parse", f"{revision}:cards/held")
    (tmp_path / "repository/.git/objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(RevisionError, match=r"cards/held of .* cannot be read"):
        materialised(revision, tmp_path / "into")
