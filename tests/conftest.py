"""What holds for all tests: the threads of numeric libraries wait asleep, so that test processes share the cores."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
import warnings
from collections.abc import Iterator

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background; programs that are started inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module")
def ray_address() -> Iterator[str]:
    """The address of a Ray of the tests' own, which ends with them."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(dir="/tmp", prefix="ray") as folder:
        for name, value in {"AUTH_MODE": "disabled", "TMPDIR": folder, "memory_monitor_refresh_ms": "0"}.items():
            patch.setenv(f"RAY_{name}", value)  # for all that the tests start, too
        cluster_utils = pytest.importorskip("ray.cluster_utils")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Ray's own
            cluster = cluster_utils.Cluster(
                initialize_head=True,
                head_node_args={"num_cpus": 0, "include_dashboard": False, "gcs_server_port": free_port()},
            )
        yield cluster.address
        cluster.shutdown()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        return int(opened.getsockname()[1])
