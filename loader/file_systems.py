"""The file system that a folder is on: on some, SQLite's locks and logs are not safe."""

import ctypes
import os
import re
import sys
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
"""The kernel's table of mounts (Linux); its form is in proc(5)."""

# fmt: off
_NETWORK = frozenset({
    "nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "afpfs", "webdav", "davfs", "ncpfs", "9p", "afs", "ceph",
    "glusterfs", "lustre", "gpfs", "beegfs", "ocfs2", "gfs2", "vboxsf", "fuse.sshfs", "fuse.rclone", "fuse.s3fs",
    "fuse.gcsfuse", "fuse.glusterfs", "fuse.blobfuse", "fuse.blobfuse2", "fuse.goofys", "fuse.mount-s3",
    "fuse.mountpoint-s3", "fuse.juicefs", "fuse.seaweedfs", "fuse.ceph", "fuse.ceph-fuse", "fuse.davfs",
    "fuse.davfs2", "fuse.gvfsd-fuse", "fuse.smbnetfs", "fuse.curlftpfs", "fuse.onedriver",
    "fuse.google-drive-ocamlfuse", "fuse.kio-fuse", "fuse.vmhgfs-fuse", "fuse.dropbox", "fuse.pcloud",
})
# fmt: on

_SYNCHRONIZED = re.compile(
    r"(Dropbox|OneDrive|Google ?Drive|My Drive|iCloud ?Drive|Nextcloud|ownCloud|pCloud ?Drive|SynologyDrive)\b.*"
    r"|Mobile Documents|CloudStorage"
)
"""Names of folders that programs synchronize with other machines; the last two are macOS's own."""

_MARKERS = (".dropbox", ".dropbox.cache", ".stfolder", ".owncloudsync.log", ".nextcloudsync.log")
"""Files that such programs keep in the topmost folder that they synchronize."""

_ESCAPED = re.compile(r"\\([0-7]{3})")

_DARWIN_NAME = slice(72, 88)
"""Where `struct statfs` of macOS has the name of the kind (sys/mount.h, with 64-bit inodes)."""


def network_kind(folder: Path) -> str:
    """Return the kind of network file system that a folder is on, such as `nfs4`; blank for a local or unknown one."""
    kind = _of_darwin(folder) if sys.platform == "darwin" else _of_mounts(os.path.realpath(folder))
    return kind if kind in _NETWORK else ""


def synchronized_by(folder: Path) -> str:
    """Return the topmost folder that a program synchronizes with other machines; blank if none is known."""
    place = Path(os.path.realpath(folder))
    for each in reversed([place, *place.parents]):
        if _SYNCHRONIZED.fullmatch(each.name) or any((each / marker).exists() for marker in _MARKERS):
            return str(each)
    return ""


def _of_mounts(folder: str) -> str:
    """Return the kind of the mount that a folder is on: the longest path above it, and of equal ones the latest."""
    try:
        mounts = MOUNTS.read_text("utf-8", "surrogateescape")
    except OSError:  # Another system than Linux.
        return ""
    longest, found = "", ""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) <= 4 or not after:
            continue
        point = _ESCAPED.sub(lambda escape: chr(int(escape[1], 8)), fields[4])
        if len(point) >= len(longest) and f"{folder}/".startswith(f"{point.rstrip('/')}/"):
            longest, found = point, after.split(" ")[0]
    return found


def _of_darwin(folder: Path) -> str:
    buffer = ctypes.create_string_buffer(4096)
    system = ctypes.CDLL(None)
    statfs = getattr(system, "statfs$INODE64", None) or system.statfs
    if statfs(os.fsencode(os.path.realpath(folder)), buffer):
        return ""
    return buffer.raw[_DARWIN_NAME].partition(b"\0")[0].decode("ascii", "replace")
