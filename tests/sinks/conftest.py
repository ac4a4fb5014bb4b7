"""Small disks that can be full."""

from __future__ import annotations

import subprocess

import pytest


@pytest.fixture
def new_disk(tmp_path):
    """Makes a folder on a disk of so many bytes; needs root."""
    made = []

    def make(size_bytes):
        folder = tmp_path / f"disk{len(made)}"
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)]
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no small disk: {done.stderr.strip()}")
        made.append(folder)
        return folder

    yield make
    for folder in made:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
