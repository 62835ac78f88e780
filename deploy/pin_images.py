"""Writes the digests of the images that files name into them, as their registries tell them today (make pin-images).

    python deploy/pin_images.py deploy/Containerfile deploy/compose.yaml MY-COPY/kustomization.yaml

The tag stays, so that the same command takes up what a registry has published since. Either every image has an answer
and all files are written, or none is. Only what is named with its registry is asked for. Registries that want a login
are not: their own tools know the digest (``skopeo inspect``).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import urlsplit

import requests

# Of several machines before that of one: what is pinned must serve all of them.
_ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_PINNED = r"(?:@sha256:[0-9a-f]{64})?"
# What names an image: ARG and FROM of a Containerfile, image of compose and Kubernetes, an entry of a kustomization.
_NAMED = re.compile(
    rf"^(?P<before>ARG \w+=|FROM |[ -]+image: )(?P<image>[\w.-]+[.:\w-]*/[\w./-]+:[\w.-]+){_PINNED}(?=\s|$)",
    re.MULTILINE,
)
_KUSTOMIZED = re.compile(
    r"^(?P<before>(?P<indent>\s+)newName: (?P<name>\S+/\S+)\n\s+newTag: (?P<tag>\S+))(?:\n\s+digest: \S+)?$",
    re.MULTILINE,
)
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_SECONDS = 30


class UnpinnedError(Exception):
    """An image that has no digest; the text says why."""


def images(text: str) -> list[str]:
    """The images that a file names with their registry, as ``registry/name:tag``, each once."""
    named = [match["image"] for match in _NAMED.finditer(text)]
    named += [f"{match['name']}:{match['tag']}" for match in _KUSTOMIZED.finditer(text)]
    return list(dict.fromkeys(named))


def pinned(text: str, digest: Callable[[str], str]) -> str:
    """The same file with the digest of each image that :func:`images` finds, in place of an older one."""
    text = _NAMED.sub(lambda match: f"{match['before']}{match['image']}@{digest(match['image'])}", text)
    return _KUSTOMIZED.sub(
        lambda match: f"{match['before']}\n{match['indent']}digest: {digest(match['name'] + ':' + match['tag'])}", text
    )


def ask(image: str) -> str:
    """The digest that the registry of an image tells for its tag (OCI Distribution 1.1, 'Pulling manifests').

    Raises:
        UnpinnedError: the registry does not answer, wants a login, does not know the image, or tells no digest.
    """
    registry, _, rest = image.partition("/")
    name, _, tag = rest.rpartition(":")
    if registry in ("docker.io", "index.docker.io"):
        registry, name = "registry-1.docker.io", name if "/" in name else f"library/{name}"
    # As container engines have it: a registry of this machine needs no TLS.
    scheme = "http" if registry.split(":")[0] in ("localhost", "127.0.0.1") else "https"
    url = f"{scheme}://{registry}/v2/{name}/manifests/{tag}"
    try:
        answer = _head(url)
        if answer.status_code == requests.codes.unauthorized:
            answer = _head(url, _token(image, answer.headers.get("WWW-Authenticate", ""), scheme))
    except requests.RequestException as error:
        raise UnpinnedError(f"{image}: {registry} cannot be asked: {type(error).__name__}") from error
    if answer.status_code != requests.codes.ok:
        raise UnpinnedError(f"{image}: {registry} answers {answer.status_code}")
    told = answer.headers.get("Docker-Content-Digest", "")
    if not _DIGEST.fullmatch(told):
        raise UnpinnedError(f"{image}: {registry} tells no digest of sha256")
    return told


def _head(url: str, token: str = "") -> requests.Response:
    headers = {"Accept": _ACCEPT} | ({"Authorization": f"Bearer {token}"} if token else {})
    return requests.head(url, headers=headers, timeout=_SECONDS, allow_redirects=False)


def _token(image: str, challenge: str, scheme: str) -> str:
    """A token for anybody, from where the registry sends us (RFC 6750, section 3)."""
    kind, _, parameters = challenge.partition(" ")
    told = dict(_CHALLENGE.findall(parameters))
    realm = told.pop("realm", "")
    if kind.lower() != "bearer" or urlsplit(realm).scheme not in {"https", scheme}:
        raise UnpinnedError(f"{image}: its registry wants a login")
    answer = requests.get(realm, params=told, timeout=_SECONDS)
    if answer.status_code != requests.codes.ok:
        raise UnpinnedError(f"{image}: its registry wants a login; it gives nobody a token ({answer.status_code})")
    body = answer.json()
    token = (body.get("token") or body.get("access_token")) if isinstance(body, dict) else None
    if not isinstance(token, str):
        raise UnpinnedError(f"{image}: its registry gives no token")
    return token


def pin(paths: Iterable[Path]) -> dict[str, str]:
    """Writes the digests into the files, and gives them by image.

    Raises:
        UnpinnedError: one has none, or a file names no image; then nothing is written.
        OSError: a file cannot be read or written.
    """
    texts = {path: path.read_text(encoding="utf-8") for path in paths}
    for path, text in texts.items():
        if not images(text):
            raise UnpinnedError(f"{path}: names no image with its registry and a tag")
    digests = {image: ask(image) for image in dict.fromkeys(i for text in texts.values() for i in images(text))}
    for path, text in texts.items():
        path.write_text(pinned(text, digests.__getitem__), encoding="utf-8")
    return digests


def main(arguments: list[str]) -> int:
    try:
        digests = pin([Path(argument) for argument in arguments])
    except (UnpinnedError, OSError) as error:
        sys.stderr.write(f"Nothing is written. {error}\n")
        return 1
    sys.stdout.write("".join(f"{image} {digest}\n" for image, digest in digests.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
