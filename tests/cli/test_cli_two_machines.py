"""The tutorial's commands on three machines: network namespaces with addresses of their own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from run_sites import TWO_SITES, largest_difference, parsed, study_text, twin, two_sites

from cohortium.run.verifying import verify_run

RATE = "50mbit"
ADDRESSES = {name: f"10.77.0.{place}" for place, name in enumerate(TWO_SITES, 1)}


def system(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


class Machines:
    """A namespace for each party, joined by a switch, each link limited to a rate."""

    def __init__(self) -> None:
        self._mark = f"coh{uuid.uuid4().hex[:6]}"
        self._switch = f"{self._mark}-switch"
        self.spaces = {name: f"{self._mark}-{name}" for name in TWO_SITES}

    def open(self) -> None:
        for space in (self._switch, *self.spaces.values()):
            system("ip", "netns", "add", space)
            system("ip", "-n", space, "link", "set", "lo", "up")
        system("ip", "-n", self._switch, "link", "add", "br0", "type", "bridge")
        system("ip", "-n", self._switch, "link", "set", "br0", "up")
        for place, (name, space) in enumerate(self.spaces.items()):
            port = f"port{place}"
            system(
                *("ip", "-n", self._switch, "link", "add", port, "type", "veth"),
                *("peer", "name", "eth0", "netns", space),
            )
            system("ip", "-n", self._switch, "link", "set", port, "master", "br0", "up")
            system("ip", "-n", space, "addr", "add", f"{ADDRESSES[name]}/24", "dev", "eth0")
            system("ip", "-n", space, "link", "set", "eth0", "up")
            system(
                *("ip", "netns", "exec", space, "tc", "qdisc", "add", "dev", "eth0", "root"),
                *("tbf", "rate", RATE, "burst", "64kb", "latency", "100ms"),
            )

    def close(self) -> None:
        for space in (self._switch, *self.spaces.values()):
            subprocess.run(["ip", "netns", "del", space], capture_output=True, check=False)


@pytest.fixture(scope="module")
def machines() -> Iterator[Machines]:
    if not all(shutil.which(tool) for tool in ("ip", "tc")):
        pytest.skip("there are no `ip` and `tc` (package iproute2)")
    made = Machines()
    try:
        made.open()
    except (subprocess.CalledProcessError, OSError) as error:
        made.close()
        pytest.skip(f"network namespaces can not be made: {getattr(error, 'stderr', error)}")
    yield made
    made.close()


class Site:
    """One machine: its home, and the commands that are typed there."""

    def __init__(self, name: str, space: str, home: Path) -> None:
        self.name, self.home, self._space = name, home, space
        home.mkdir()

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        python = sys.executable
        return subprocess.Popen(
            ["ip", "netns", "exec", self._space, python, "-m", "cohortium", *arguments],
            cwd=self.home,
            env={
                **os.environ,
                "HOME": str(self.home),
                "COLUMNS": "200",
                "OPENBLAS_NUM_THREADS": "1",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> str:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        return out


def test_the_tutorial_on_three_machines(machines: Machines, tmp_path: Path) -> None:
    data = two_sites(tmp_path).data
    sites = {
        name: Site(name, space, tmp_path / f"machine-{name}")
        for name, space in machines.spaces.items()
    }
    lines = {}
    for name, site in sites.items():
        site.run("identity", "new", name)
        shown = site.run("identity", "show")
        pem = re.search(r'certificate = """\n.*?"""', shown, re.DOTALL)
        assert pem
        lines[name] = f'address = "{ADDRESSES[name]}:7001"\n{pem[0]}\n'
    text = study_text(extra=lines)
    for name, site in sites.items():
        (site.home / "study.toml").write_text(text)
        assert "does not collude with" in site.run("study", "check", "study.toml")
        site.run("study", "sign", "study.toml", "--as", name)
    sizes = {"north": (24, 30), "south": (20, 31)}
    stated = {
        name: ["--samples", str(samples), "--features", str(features)]
        for name, (samples, features) in sizes.items()
    }
    checks = {
        name: site.start("check", "study.toml", "--as", name, *stated.get(name, []))
        for name, site in sites.items()
    }
    forecasts = {}
    for name, process in checks.items():
        out, err = process.communicate(timeout=100)
        assert process.returncode == 0, err
        assert "problem" not in out
        speeds = re.findall(r"([\d.]+) ms .*?(\d+) Mbit/s .*?(\d+) Mbit/s", out)
        assert len(speeds) == 2
        # The rate that the network was limited to; at first a burst passes it.
        for _, sending, receiving in speeds:
            assert 25 < int(sending) < 100, out
            assert 25 < int(receiving) < 100, out
        assert out.count("ok ") == 8, (name, out)
        forecasts[name] = re.search(r"in all\D+([\d,]+)\D+([\d.]+)\D+([\d.]+)", out)
    # Of no concern to the others: their study file and its signatures stay as they are.
    assert "no study file changes" in sites["south"].run("identity", "renew")
    started = {
        name: site.start(
            *("join", "study.toml", "--as", name),
            *(["--data", data[name]] if name in data else []),
        )
        for name, site in sites.items()
    }
    told = {name: process.communicate(timeout=100) for name, process in started.items()}
    assert [process.returncode for process in started.values()] == [0, 0, 0], told
    weights = twin(parsed(text), data)[:, 0]
    for name, site in sites.items():
        run = site.home / "cohortium-run"
        forecast, record = forecasts[name], json.loads((run / "record.json").read_text())
        assert forecast is not None
        if "compute" in TWO_SITES[name]:
            assert int(forecast[1]) == record["rounds"]
            seconds = sum(list(record["seconds"].values())[3:])
            # How fast a shared machine is at either time is luck.
            assert 0.2 < seconds / float(forecast[3]) < 5
        assert "intact" in site.run("audit", "verify", "cohortium-run")
        verdict = verify_run(run)
        assert verdict.finished
        assert not verdict.simulated
        if "receive" in TWO_SITES[name]:
            assert largest_difference(run / "model.json", weights) < 0.005


def test_a_machine_that_is_not_there_is_named(machines: Machines, tmp_path: Path) -> None:
    """Its network is there, but nobody listens; the others say so when their time is over."""
    sites = {
        name: Site(name, space, tmp_path / f"machine-{name}")
        for name, space in machines.spaces.items()
    }
    lines = {}
    for name, site in sites.items():
        site.run("identity", "new", name)
        pem = (site.home / ".cohortium" / "identity" / "certificate.pem").read_text()
        lines[name] = f'address = "{ADDRESSES[name]}:7001"\ncertificate = """\n{pem.strip()}\n"""\n'
    text = study_text(extra=lines, connect_timeout=2)
    for name, site in sites.items():
        (site.home / "study.toml").write_text(text)
        site.run("study", "sign", "study.toml", "--as", name)
    process = sites["uni"].start("join", "study.toml", "--as", "uni")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 6
    assert f"north could not be reached at {ADDRESSES['north']}:7001 (connection refused)" in err
    assert f"south could not be reached at {ADDRESSES['south']}:7001" in err
