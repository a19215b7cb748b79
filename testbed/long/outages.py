# SPDX-License-Identifier: GPL-2.0-or-later
"""What happens when something beside resegd fails: an interface, a link, the clock, a client.

Each docstring is a row of the table in docs/reliability.md; see reliability."""

import os
import socket
import time

from boxes import BUILD, Box, Load, Stream, expect, on_box, wait_until


def tun_down(_):
    """TUN device is down under a stream: `ip link set reseg0 down`
    | nothing that the box sends gets out; byte-exact once the device is up again
    | `inject_failed`, a line"""
    box = Box("--fault", "none", "--inject", "tun")
    load = Load(30000000)
    box.wait_for_traffic()
    on_box("ip", "link", "set", "reseg0", "down")
    box.wait_for("its TUN device is down: ip link set reseg0 up")
    on_box("ip", "link", "set", "reseg0", "up")
    load.join()
    expect(box.counter("inject_failed") > 0,
           "inject_failed is 0: the device took all that the box sent")


def tun_removed(_):
    """TUN device is removed: `ip link delete reseg0`
    | resegd ends with status 1, for systemd to restart it; connections without orphaned octets go
    on
    | a line"""
    box = Box("--fault", "none", "--inject", "tun")
    quiet = Stream()
    quiet.exchange(5000)
    on_box("ip", "link", "delete", "reseg0")
    Stream().send(600)
    box.expect_status(1)
    expect(box.has_said("its TUN device was removed"),
           "resegd did not say that its TUN device was removed")
    quiet.exchange(5000)
    Stream().exchange(5000)


def control_clients_hang(_):
    """40 clients of the control socket never read; half of them ask up to 1,000 times
    | other clients are answered; streams do not notice
    | none"""
    box = Box("--fault", "none")
    clients = []
    for i in range(40):
        client = socket.socket(socket.AF_UNIX)
        client.connect(box.control)
        client.settimeout(0.01)
        try:
            for _ in range(1000 * (i % 2)):
                client.sendall(b'{"command": "metrics"}\n')
        except (TimeoutError, BrokenPipeError, ConnectionResetError):
            pass
        clients.append(client)
    Load(3000000).join()
    box.expect_counter("flows_opened", 1)


def clock_jumps(_):
    """time of day jumps by a day each time it is read
    | byte-exact; times in the log neither jump nor go back
    | none"""
    box = Box(
        "--fault", "none", env={
            "LD_PRELOAD": os.environ.get("CLOCK_JUMPS", str(BUILD / "testbed/tests/clock-jumps.so"))
        })
    Load(300000, 20, 20).join()
    wait_until(lambda: len(box.log("flow_closed")) == 20,
               "a flow_closed of each of the 20 connections")
    times = [event["time_ns"] for event in box.log()]
    expect(times == sorted(times), "times in the log go back")
    span = (times[-1] - times[0]) / 1e9
    expect(span < 60, "times in the log jump: the last is %d s after the first" % span)


def link_down(name):
    box = Box("--fault", "none")
    load = Load(60000000)
    box.wait_for_traffic()
    on_box("sysctl", "-qw", "net.ipv6.conf.all.keep_addr_on_down=1")
    on_box("ip", "link", "set", name, "down")
    time.sleep(1)		# this time is what is tested
    on_box("ip", "link", "set", name, "up")
    load.join()
    return box.counter("retransmissions")


def link_to_server_down(_):
    """link to the server is down for 1 s under a stream
    | the box sends again what it has ACKed: byte-exact
    | `retransmissions`"""
    expect(link_down("toserver") > 0, "retransmissions is 0: the box sent nothing again")


def link_to_client_down(_):
    """link to the client is down for 1 s under a stream
    | the client sends again what was not ACKed: byte-exact
    | none"""
    link_down("toclient")


def clients_abort(_):
    """clients abort: 150 of 300 connections end by a RST half-way
    | the others are byte-exact; the box holds no data afterwards
    | `flow_closed` with `reset`"""
    box = Box("--fault", "none")
    Load(200000, 300, 50, "--abort-every", "2").join()
    wait_until(lambda: box.counter("orphaned_bytes") == 0 and box.counter("pages_used") == 0,
               "all buffers to be freed (orphaned_bytes and pages_used 0)")
    expect(any(event["reason"] == "reset" for event in box.log("flow_closed")),
           "no flow_closed in the log has the reason reset")
