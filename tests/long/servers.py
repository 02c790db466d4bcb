"""Real servers on this machine for data that lies elsewhere: S3 (moto) and sftp (OpenSSH), each on a free port."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import boto3
from moto.server import ThreadedMotoServer

S3_SECRET = "s3-canary-secret-77c1"


@contextmanager
def s3(bucket: str) -> Iterator[tuple[dict[str, str], "boto3.client"]]:
    """Yield the environment in which a command finds an S3 server with one bucket, and a client of its own."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        environment = {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": S3_SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        client = boto3.client(
            "s3",
            endpoint_url=environment["AWS_ENDPOINT_URL"],
            aws_access_key_id="testing",
            aws_secret_access_key=S3_SECRET,
            region_name="us-east-1",
        )
        client.create_bucket(Bucket=bucket)
        yield environment, client
    finally:
        server.stop()


@contextmanager
def sftp(folder: Path) -> Iterator[tuple[dict[str, str], str]]:
    """Yield the environment in which a command finds its key and knows the server, and the server's address.

    It is OpenSSH's own; `folder` gets its configuration, and a home folder for the command.
    """
    home = folder / "home"
    (home / ".ssh").mkdir(mode=0o700, parents=True)
    for key in (folder / "host_key", home / ".ssh" / "id_ed25519"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "authorized").write_bytes((home / ".ssh" / "id_ed25519.pub").read_bytes())
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host_key\nAuthorizedKeysFile {folder}/authorized\n"
        f"PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n"
        "Subsystem sftp internal-sftp\n"
    )
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd insists on it; Debian makes it as a service starts.
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "make test-long installs openssh-server"
    host_key = " ".join((folder / "host_key.pub").read_text().split()[:2])
    (home / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}\n")
    with (folder / "sshd.log").open("wb") as log:
        server = subprocess.Popen([program, "-D", "-e", "-f", folder / "sshd_config"], stderr=log)
    try:
        while server.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.05)
        yield {"HOME": str(home), "SSH_AUTH_SOCK": ""}, f"sftp://{getpass.getuser()}@127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()
