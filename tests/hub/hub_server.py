"""A stand-in for the Hub on 127.0.0.1 that speaks what huggingface_hub 2 sends: repository, preupload, LFS, commit."""

import base64
import hashlib
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import yaml

TOKEN = "hf_" + "t0k3n" * 7


class FakeHub:
    """Its repositories by "type/owner/name", and what was asked of it."""

    def __init__(self):
        self.repositories = {}  # {"visibility": ..., "sdk": ..., "files": {path: bytes}, "commits": [...]}
        self.objects = {}  # LFS objects by sha256
        self.requests = []
        self.faults = {}  # the answer (status, headers) by a part of the path

    @contextmanager
    def serving(self):
        handler = type("Handler", (_Handler,), {"hub": self})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub

    def log_message(self, *arguments):
        pass

    def reply(self, status, body=None, headers=()):
        data = json.dumps(body).encode() if body is not None else b""
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **dict(headers)}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def receive(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def handle_request(self):
        path, body = self.path.split("?")[0], self.receive()
        self.hub.requests.append(f"{self.command} {path}")
        for part, (status, headers) in self.hub.faults.items():
            if part in path:
                return self.reply(status, {"error": "as the test says"}, headers)
        if path.startswith("/lfs/"):  # the storage behind the Hub: its addresses are signed and need no token
            oid = path.rpartition("/")[2]
            if hashlib.sha256(body).hexdigest() != oid:
                return self.reply(400, {"error": "the sha256 differs"})
            self.hub.objects[oid] = body
            return self.reply(200)
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            message = "Invalid credentials in Authorization header"
            return self.reply(401, {"error": message}, {"X-Error-Message": message})
        if path == "/api/repos/create":
            return self.create(json.loads(body))
        if path == "/api/validate-yaml":
            return self.validate(json.loads(body))
        if path.endswith(".git/info/lfs/objects/batch"):
            return self.batch(path, json.loads(body))
        _, _, kind, owner, name, *rest = path.split("/")
        repository = self.hub.repositories.get(f"{kind.removesuffix('s')}/{owner}/{name}")
        if repository is None:
            return self.reply(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
        if rest[:1] == ["preupload"]:
            files = [
                {"path": file["path"], "shouldIgnore": False, "oid": None, "uploadMode": self.mode(file)}
                for file in json.loads(body)["files"]
            ]
            return self.reply(200, {"files": files})
        if rest[:1] == ["commit"]:
            return self.commit(repository, f"{owner}/{name}", body)
        return self.reply(200, {"id": f"{owner}/{name}", "private": repository["visibility"] == "private"})

    do_GET = do_POST = do_PUT = handle_request

    def validate(self, request):
        """A card needs readable metadata; that of a Space must name its SDK."""
        header = re.match(r"---\n(.*?)\n---\n", request["content"], re.DOTALL)
        errors = []
        try:
            metadata = yaml.safe_load(header[1]) if header else {}
            if request["repoType"] == "space" and metadata.get("sdk") != "static":
                errors = [{"message": '"sdk" is required'}]
        except yaml.YAMLError:
            errors = [{"message": "no YAML"}]
        return self.reply(400 if errors else 200, {"errors": errors, "warnings": []})

    def mode(self, file):
        """As the Hub decides: binary and large files go to LFS."""
        sample = base64.b64decode(file["sample"])
        return "lfs" if file["size"] > 10_000_000 or b"\0" in sample or sample[:4] == b"PAR1" else "regular"

    def create(self, request):
        key = f"{request.get('type', 'model')}/{request['organization']}/{request['name']}"
        if key in self.hub.repositories:
            return self.reply(409, {"error": "You already created this repo"})
        self.hub.repositories[key] = {
            "visibility": request.get("visibility", "public"),
            "sdk": request.get("sdk"),
            "files": {},
            "commits": [],
        }
        return self.reply(200, {"url": f"{self.hub.url}/{request['organization']}/{request['name']}"})

    def batch(self, path, request):
        assert request["operation"] == "upload" and request["hash_algo"] == "sha256" and path.count("/") >= 6
        objects = [
            each | {"actions": {"upload": {"href": f"{self.hub.url}/lfs/{each['oid']}", "header": {}}}}
            for each in request["objects"]
        ]
        headers = {"Content-Type": "application/vnd.git-lfs+json"}
        return self.reply(200, {"transfer": "basic", "objects": objects}, headers)

    def commit(self, repository, name, body):
        header, *operations = [json.loads(line) for line in body.splitlines()]
        assert header["key"] == "header"
        for operation in operations:
            value = operation["value"]
            if operation["key"] == "file":
                content = base64.b64decode(value["content"])
            else:
                assert operation["key"] == "lfsFile" and value["algo"] == "sha256"
                content = self.hub.objects[value["oid"]]
            repository["files"][value["path"]] = content
        repository["commits"].append(header["value"]["summary"])
        return self.reply(
            200, {"success": True, "commitOid": "0" * 40, "commitUrl": f"{self.hub.url}/{name}/commit/{'0' * 40}"}
        )
