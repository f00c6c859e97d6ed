"""A small file system to fill and to make read-only."""

import subprocess
from pathlib import Path


class Disk:
    """A file system of 256 kB, mounted on a new folder. Raises PermissionError without the right to mount."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ballast = folder / "ballast"
        folder.mkdir()
        self.mounts = 0
        self._mount("-t", "tmpfs", "-o", "size=256k", "none")

    def fill(self) -> None:
        with self.ballast.open("wb", buffering=0) as file:
            try:
                while file.write(b"x" * 512):
                    pass
            except OSError:
                pass

    def forbid(self) -> None:
        """Remount read-only, as the kernel does with a failing card."""
        self._mount("--bind", str(self.folder))
        subprocess.run(["mount", "-o", "remount,bind,ro", self.folder], check=True)

    def allow(self) -> None:
        subprocess.run(["mount", "-o", "remount,bind,rw", self.folder], check=True)

    def unmount(self) -> None:
        for _ in range(self.mounts):
            subprocess.run(["umount", "-l", self.folder], check=True)

    def _mount(self, *arguments: str) -> None:
        done = subprocess.run(["mount", *arguments, self.folder], capture_output=True, text=True, check=False)
        if done.returncode:
            self.unmount()
            raise PermissionError(done.stderr.strip())
        self.mounts += 1
