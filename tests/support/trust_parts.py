"""A real HTTP server of key sets on loopback, and tokens as clients and as others would write them."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from joserfc import jws

BASE = "https://cds.example/b12"
SERVICE = "/cds-services/vitamin-b12-order-select"
ISSUER = "https://ehr.example/fhir"
MARKER = "marker-that-must-not-be-repeated"


def b64(data):
    text = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


class KeyServer:
    """Serves ``document`` as ``mode`` says, over TLS with a context ``tls``; ``asked`` lists the paths asked for."""

    def __init__(self, tls=None):
        self.document, self.mode, self.asked, self.target = {"keys": []}, "good", [], ""
        self.slow = 1.5  # seconds until it answers where the mode is so
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(self.path)
                with contextlib.suppress(OSError):  # who asked has left
                    outer.answer(self)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        if tls is not None:
            self.http.socket = tls.wrap_socket(self.http.socket, server_side=True)
        self.port = self.http.server_port
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def answer(self, handler):
        body = json.dumps(self.document).encode()
        if self.mode == "html":
            body = b"<html>please log in</html>"
        if self.mode == "huge":
            body = b'{"keys": [' + b" " * 1_000_000 + b"]}"
        if self.mode == "truncated":
            body = body[: len(body) // 2]
        if self.mode == "held":
            self.may_answer.wait(60)
        if self.mode == "slow":
            time.sleep(self.slow)
        handler.send_response({"error": 503, "redirect": 302}.get(self.mode, 200))
        if self.mode == "redirect":
            handler.send_header("Location", self.target)
        handler.send_header("Content-Type", "text/html" if self.mode == "html" else "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if self.mode == "drip":
            for byte in body:
                handler.wfile.write(bytes([byte]))
                handler.wfile.flush()
                time.sleep(0.1)
        else:
            handler.wfile.write(body)

    def close(self):
        self.http.shutdown()
        self.http.server_close()


def write_clients(path, keys, server, text="", *, source=None, top=""):
    """A clients.toml at ``path`` for one client, whose keys the server has."""
    server.document = {"keys": [public(key) for key in keys.values()]}
    source = source or f'jwks-url = "{server.url}/jwks"'
    path.write_text(
        f'base-urls = ["{BASE}"]\n{top}\n[clients.ehr]\nissuer = "{ISSUER}"\n{source}\n{text}', encoding="utf-8"
    )
    return path


def write_one_client(folder):
    """A clients.toml in a folder, for one client whose only key is in a file beside it; no token of it is ever made."""
    key = {"kty": "OKP", "crv": "Ed25519", "kid": "one", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    (folder / "keys.json").write_text(json.dumps({"keys": [key]}))
    path = folder / "clients.toml"
    path.write_text(f'base-urls = ["{BASE}"]\n[clients.ehr]\nissuer = "{ISSUER}"\njwks-file = "keys.json"\n')
    return path


def public(key, **more):
    return key.as_dict(private=False) | more


class Maker:
    """Tokens of the client in the fixtures, right unless told otherwise; ``None`` leaves a member out."""

    def __init__(self, keys):
        self.keys = keys

    def header(self, **more):
        said = {"alg": "ES384", "typ": "JWT", "kid": "key-ES384"} | more
        return {name: value for name, value in said.items() if value is not None}

    def claims(self, now=None, **more):
        now = int(time.time() if now is None else now)
        said = {"iss": ISSUER, "aud": BASE + SERVICE, "iat": now, "exp": now + 300, "jti": uuid.uuid4().hex} | more
        return {name: value for name, value in said.items() if value is not None}

    def sign(self, header, claims, key=None):
        """Any header and claims (bytes as they are), signed as the header says, even if that is wrong."""
        segments = f"{b64(header)}.{b64(claims)}"
        told = header if isinstance(header, dict) else json.loads(header)
        algorithm = jws.JWSRegistry.algorithms[told["alg"]]
        key = key or self.keys[told["alg"]]
        return f"{segments}.{b64(algorithm.sign(segments.encode(), key))}"

    def token(self, alg="ES384", *, header=None, key=None, **claims):
        head = self.header(**({"alg": alg, "kid": f"key-{alg}"} | (header or {})))
        return self.sign(head, self.claims(**claims), key)

    def bearer(self, *args, **more):
        return f"Bearer {self.token(*args, **more)}"


class Ticks:
    """A clock that a test moves."""

    def __init__(self, now=1000.0):
        self.now = now

    def __call__(self):
        return self.now
