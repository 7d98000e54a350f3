#!/usr/bin/env bash
# safetensors 0.8.0: save_file creates its file with mode 0600 whatever the umask is, and replaces an existing file of
# mode 0644 by one of 0600. Weights that a trainer writes into a shared folder can't be read by another user or group,
# while the config.json beside them can.
# Seen: "umask 022: new file 0600, replaced file 0600, plain file 0644".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet safetensors==0.8.0 numpy==2.4.6
cat >"$folder/show.py" <<'PYTHON'
import os, pathlib, sys
import numpy, safetensors
from safetensors.numpy import save_file

folder = pathlib.Path(sys.argv[1])
os.umask(0o022)
plain, new, old = (folder / name for name in ("config.json", "new.safetensors", "old.safetensors"))
plain.write_text("{}")
old.write_text("")
for path in (new, old):
    save_file({"weight": numpy.zeros((2, 2), numpy.float32)}, path)
modes = [f"{path.stat().st_mode & 0o777:04o}" for path in (new, old, plain)]
print("safetensors", safetensors.__version__)
print("umask 022: new file {}, replaced file {}, plain file {}".format(*modes))
raise SystemExit(0 if modes == ["0600", "0600", "0644"] else 1)
PYTHON
"$folder/venv/bin/python" "$folder/show.py" "$folder"
