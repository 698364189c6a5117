"""Whatever goes wrong between three parties: every one says so in time, with its exit code."""

from __future__ import annotations

import datetime
import os
import select
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from cli_consortium import Consortium, Here, check_error, end_all
from run_sites import Terminal, cells, data_options, genes, study_text, two_sites

import cohortium
from cohortium.net import create_identity
from cohortium.study import signatures_path

# Long enough that no run of these tests comes to its end by itself.
LASTING = 2500


def test_another_study_file_is_refused_naming_both_digests(terminal: Terminal) -> None:
    group = Consortium(terminal)
    other = group.write("other.toml", group.text + "# a remark\n")
    ended = end_all(
        {name: group.join(name, study=other if name == "south" else None) for name in group.parties}
    )
    # Who notices first tells the others, so not all have the code of the cause.
    for name, end in ended.items():
        code, exit_code = ("COH-501", 7) if end.code == 7 else ("COH-407", 6)
        check_error(end, code, exit_code, f"at {name}", "study digest is '")
    assert any("same study file" in end.err for end in ended.values())


def test_a_study_that_this_site_has_not_signed_is_not_joined(
    terminal: Terminal, here: Here
) -> None:
    group = Consortium(terminal)
    signatures = signatures_path(group.study)
    lines = signatures.read_text().splitlines()
    signatures.write_text("\n".join(line for line in lines if '"north"' not in line))
    ended = here(*group.command("north"))
    check_error(ended, "COH-504", 7, "north has not signed this study", "study sign")


def test_a_study_changed_after_it_was_signed_is_not_joined(terminal: Terminal, here: Here) -> None:
    group = Consortium(terminal)
    group.study.write_text(group.text.replace("iterations = 12", "iterations = 13"))
    ended = here(*group.command("north"))
    check_error(ended, "COH-504", 7, "has signed another study file", "sign them anew")


def test_a_study_against_this_sites_policy_is_not_joined(terminal: Terminal, here: Here) -> None:
    group = Consortium(terminal)
    policy = terminal.folder / "policy.toml"
    policy.write_text("[policy]\nminimum_samples = 1000\n")
    ended = here(*group.command("north", "--policy", str(policy)))
    check_error(ended, "COH-503", 7, "minimum_samples = 1000, but there are 24 samples")
    policy.write_text('[policy]\nreveals = ["auc"]\n')
    ended = here(*group.command("north", "--policy", str(policy)))
    check_error(ended, "COH-503", 7, "reveals = ['auc'], but the study asks for model")
    assert not (terminal.folder / "register.jsonl").exists()


def test_rows_that_were_in_as_many_runs_as_allowed(terminal: Terminal, here: Here) -> None:
    group = Consortium(terminal)
    policy = terminal.folder / "policy.toml"
    policy.write_text("[policy]\nmaximum_runs = 1\n")
    commands = group.join_all("north")
    commands["north"] = terminal.start(*group.command("north", "--policy", str(policy)))
    assert {end.code for end in end_all(commands).values()} == {0}
    again = here(*group.command("north", "--policy", str(policy), "--out", "other"))
    check_error(again, "COH-503", 7, "maximum_runs = 1, but 24 of this site's 24 rows")


def check_command(group: Consortium, name: str, *more: str) -> list[str]:
    home = group.identities[name].key_path.parent
    return ["check", str(group.study), "--as", name, "--identity", str(home), *more]


def test_a_check_names_who_has_not_signed_and_measures_the_links(terminal: Terminal) -> None:
    group = Consortium(terminal)
    signatures = signatures_path(group.study)
    lines = signatures.read_text().splitlines()
    signatures.write_text("\n".join(line for line in lines if '"uni"' not in line))
    ended = end_all({name: terminal.start(*check_command(group, name)) for name in group.parties})
    for name, end in ended.items():
        assert end.code == 7, end
        assert "uni did not sign this study yet" in end.out
        assert end.out.count(" Mbit/s") == 4
        assert ("problem  uni has not signed this study" in end.out) == (name == "uni")
        assert not (terminal.folder / "cohortium-run").exists()


def test_a_check_says_which_party_does_not_answer(terminal: Terminal) -> None:
    group = Consortium(terminal)
    present = [name for name in group.parties if name != "north"]
    broken = cells("south", genes(0)).write(terminal.folder / "broken.csv")
    broken.write_text(broken.read_text().replace("GENE05", "GENE04"))
    data = {"south": ["--data", str(broken)], "uni": []}
    ended = end_all(
        {
            name: terminal.start(*check_command(group, name, "--wait", "2", *data[name]))
            for name in present
        }
    )
    for end in ended.values():
        assert end.code == 6, end
        assert "north could not be reached at" in end.err
        # What a site finds by itself is told all the same.
        assert "ok       signature: this site has signed the study" in end.out
        assert "Links of" not in end.out
    assert "problem  broken.csv" in ended["south"].out
    assert "[COH-204]" in ended["south"].out


def test_a_check_does_not_meet_a_join(terminal: Terminal) -> None:
    group = Consortium(terminal)
    commands = group.join_all("south")
    commands["south"] = terminal.start(*check_command(group, "south"))
    for end in end_all(commands).values():
        code, exit_code = ("COH-501", 7) if end.code == 7 else ("COH-407", 6)
        check_error(end, code, exit_code, "command is '")


def test_another_program_is_refused_naming_what_differs(terminal: Terminal) -> None:
    """One comment in one file of one party's installation; it reveals nothing more, but might."""
    group = Consortium(terminal)
    changed = terminal.folder / "changed"
    shutil.copytree(Path(cohortium.__file__).parent, changed / "cohortium")
    with (changed / "cohortium" / "learn" / "training.py").open("a") as file:
        file.write("# reveal more\n")
    commands = group.join_all("south")
    commands["south"] = terminal.start(*group.command("south"), PYTHONPATH=str(changed))
    for name, end in end_all(commands).items():
        code, exit_code = ("COH-501", 7) if end.code == 7 else ("COH-407", 6)
        check_error(end, code, exit_code, f"at {name}", "program is '")
        assert "samples (" not in end.out


def test_an_identity_that_the_study_does_not_list_is_refused_at_once(
    terminal: Terminal, here: Here, tmp_path: Path
) -> None:
    group = Consortium(terminal)
    create_identity("north", tmp_path / "new")
    ended = here(*group.command("north", identity=tmp_path / "new"))
    check_error(ended, "COH-402", 5, "at north", "another certificate for 'north'")


def test_the_identity_of_another_party_is_refused_at_once(
    terminal: Terminal,
    here: Here,
) -> None:
    group = Consortium(terminal)
    south = group.identities["south"].key_path.parent
    ended = here(*group.command("north", identity=south))
    check_error(ended, "COH-402", 5, "another certificate for 'north'")


def test_a_fingerprint_that_is_not_the_certificates_is_refused(
    terminal: Terminal,
    here: Here,
) -> None:
    group = Consortium(terminal)
    right = group.identities["south"].fingerprint
    wrong = group.write("wrong.toml", group.text.replace(right, "00" + right[2:]))
    ended = here(*group.command("north", study=wrong))
    check_error(ended, "COH-102", 2, "fingerprint of 'south'", "read out its fingerprint")


def test_a_damaged_certificate_names_whose_it_is(
    terminal: Terminal,
    here: Here,
) -> None:
    group = Consortium(terminal)
    pem = group.identities["south"].certificate_pem.splitlines()
    wrong = group.write("wrong.toml", group.text.replace(pem[2], pem[2][:-4]))
    ended = here(*group.command("north", study=wrong))
    check_error(ended, "COH-102", 2, "certificate of 'south'")


def test_a_study_without_addresses_can_not_be_joined(
    terminal: Terminal,
    here: Here,
) -> None:
    group = Consortium(terminal)
    bare = group.write("bare.toml", study_text())
    check_error(
        here(*group.command("uni", study=bare)), "COH-102", 2, "no address", "identity show"
    )


def test_another_party_at_the_address_of_one_is_noticed(terminal: Terminal) -> None:
    """A wrong forwarding rule: north's address leads to south, whose certificate is valid."""
    group = Consortium(terminal, connect_timeout=4)

    def forward(caller: socket.socket) -> None:
        with caller, socket.create_connection(("127.0.0.1", group.ports["south"])) as target:
            ends = {caller: target, target: caller}
            while ready := select.select(list(ends), [], [], 20)[0]:
                for end in ready:
                    content = end.recv(1 << 16)
                    if not content:
                        return
                    ends[end].sendall(content)

    def listen() -> None:
        with suppress(OSError):
            while True:
                caller = door.accept()[0]
                threading.Thread(target=_quietly, args=(forward, caller), daemon=True).start()

    with socket.create_server(("127.0.0.1", group.ports["north"])) as door:
        threading.Thread(target=listen, daemon=True).start()
        south = group.join("south")
        south.wait_for("connecting")
        ended = end_all({"uni": group.join("uni"), "south": south})
        door.shutdown(socket.SHUT_RDWR)
    for name, end in ended.items():
        assert end.code in (5, 6), end
        assert "Traceback" not in end.err
        assert f"at {name}" in end.err
    told = "".join(end.err for end in ended.values())
    assert "COH-402" in told
    assert "north" in told
    assert "south" in told


def _quietly(forward: Callable[[socket.socket], None], caller: socket.socket) -> None:
    with suppress(OSError):
        forward(caller)


@pytest.mark.parametrize(
    ("days", "link_days", "kind", "remedy"),
    [
        (2, 2, "The certificate of north", "Make a new identity"),
        (99, 2, "The link certificate of north", "Run `cohortium identity renew`"),
    ],
)
def test_an_expired_certificate_is_refused_by_its_owner_and_the_others(
    terminal: Terminal, days: int, link_days: int, kind: str, remedy: str
) -> None:
    start = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=9)
    expired = create_identity(
        "north", terminal.folder / "expired", days, link_days=link_days, valid_from=start
    )
    group = Consortium(terminal, identities={"north": expired}, connect_timeout=1)
    ended = end_all(group.join_all())
    check_error(ended["north"], "COH-402", 5, kind, "expired on", remedy)
    for name in ("south", "uni"):
        assert ended[name].code == 6
        assert "COH-403" in ended[name].err
        assert "north" in ended[name].err


def test_a_link_certificate_in_the_study_is_refused(terminal: Terminal, here: Here) -> None:
    group = Consortium(terminal)
    north = group.identities["north"]
    text = group.text.replace(north.certificate_pem.strip(), north.link_pem.strip())
    ended = here(*group.command("uni", study=group.write("other.toml", text)))
    check_error(ended, "COH-102", 2, "certificate of 'north'", "identity show")
    assert "can not vouch for link certificates" in ended.err


def test_a_party_that_never_comes_is_named(terminal: Terminal) -> None:
    group = Consortium(terminal, connect_timeout=1)
    ended = end_all(group.join_all("south"))
    # Who gives up first tells the others.
    texts = {
        "north": "south never dialled us",
        "uni": f"south could not be reached at 127.0.0.1:{group.ports['south']}",
    }
    for name, end in ended.items():
        check_error(end, "COH-403" if "stopped" not in end.err else "COH-407", 6, f"at {name}")
        assert any(text in end.err for text in texts.values())
    assert any(texts[name] in end.err and "firewalls" in end.err for name, end in ended.items())
    assert max(end.seconds for end in ended.values()) < 15


def test_a_port_in_use_is_named(
    terminal: Terminal,
    here: Here,
) -> None:
    group = Consortium(terminal)
    with socket.create_server(("127.0.0.1", group.ports["north"])):
        ended = here(*group.command("north"))
    check_error(ended, "COH-403", 6, f"Can not listen at 127.0.0.1:{group.ports['north']}")


def test_an_output_that_can_not_be_written_is_told_before_anybody_computes(
    terminal: Terminal,
    here: Here,
) -> None:
    group = Consortium(terminal)
    (terminal.folder / "out-north").write_text("a file")
    check_error(here(*group.command("north")), "COH-101", 2, "out-north", "--out")


def test_an_unknown_engine_is_told_before_anybody_waits(
    terminal: Terminal,
    here: Here,
) -> None:
    group = Consortium(terminal)
    ended = here(*group.command("north", "--engine", "torch"))
    check_error(ended, "COH-101", 2, "'torch'", "'numpy' or 'tensorflow'")


def test_strangers_who_send_garbage_do_not_disturb(terminal: Terminal) -> None:
    group = Consortium(terminal)
    commands = {"north": group.join("north")}
    commands["north"].wait_for("connecting")
    stop = threading.Event()

    def pester() -> None:
        while not stop.is_set():
            for garbage in (b"GET / HTTP/1.1\r\n\r\n", os.urandom(300), b"", b"\x16\x03\x01"):
                try:
                    with socket.create_connection(("127.0.0.1", group.ports["north"]), 0.5) as sock:
                        sock.sendall(garbage)
                except OSError:
                    pass
            time.sleep(0.02)

    stranger = threading.Thread(target=pester, daemon=True)
    stranger.start()
    time.sleep(0.3)
    commands |= {name: group.join(name) for name in ("south", "uni")}
    ended = end_all(commands)
    stop.set()
    stranger.join(5)
    assert [end.code for end in ended.values()] == [0, 0, 0], ended


def _in_training(group: Consortium) -> dict:
    commands = group.join_all()
    for command in commands.values():
        command.wait_for(": training")
    time.sleep(0.3)
    return commands


@pytest.mark.parametrize("victim", ["south", "uni"])
def test_a_party_that_is_killed_in_mid_training_is_named_by_the_others(
    terminal: Terminal, victim: str
) -> None:
    group = Consortium(terminal, iterations=LASTING)
    commands = _in_training(group)
    began = time.monotonic()
    commands[victim].signal(signal.SIGKILL)
    ended = end_all(commands)
    assert time.monotonic() - began < 5
    assert ended.pop(victim).code == -signal.SIGKILL
    for name, end in ended.items():
        assert end.code == 6, end
        assert f"at {name}" in end.err
        assert victim in end.err
        assert "Traceback" not in end.err
        assert end.err.count("Error COH-40") == 1
        assert not list(terminal.folder.glob(f"out-{name}/model*.json"))
    assert any("COH-404" in end.err for end in ended.values())


@pytest.mark.parametrize("victim", ["north", "uni"])
def test_a_party_that_is_stopped_is_named_when_the_deadline_is_over(
    terminal: Terminal, victim: str
) -> None:
    group = Consortium(terminal, iterations=LASTING, deadline=2)
    commands = _in_training(group)
    began = time.monotonic()
    commands[victim].signal(signal.SIGSTOP)
    ended = end_all({name: it for name, it in commands.items() if name != victim})
    assert time.monotonic() - began < 12
    for end in ended.values():
        assert end.code == 6, end
        assert "for 2 s" in end.err
        assert "Traceback" not in end.err
        # Whose time is over first is told to all. Without the dealer both others wait, also for
        # each other, so one of them may be named in its place.
        assert victim in end.err or victim == "uni"
    assert any("COH-405" in end.err and "sent nothing" in end.err for end in ended.values())
    commands[victim].signal(signal.SIGCONT)
    late = commands[victim].end()
    assert late.code == 6, late
    assert "Traceback" not in late.err


def test_an_owner_without_shares_that_is_stopped_takes_no_results_along(
    terminal: Terminal,
) -> None:
    """Nobody waits for it before the goodbye; by then all results are written."""
    roles = {
        "north": ("data", "compute", "receive"),
        "b": ("compute",),
        "south": ("data",),
        "uni": ("deal",),
    }
    group = Consortium(terminal, parties=roles, iterations=400, deadline=2)
    commands = group.join_all()
    for command in commands.values():
        command.wait_for(": training")
    commands["north"].wait_for("sharing masked data")
    commands["south"].signal(signal.SIGSTOP)
    ended = end_all({name: it for name, it in commands.items() if name != "south"})
    check_error(ended["north"], "COH-405", 6, "south sent nothing", "audit log, finished")
    assert (terminal.folder / "out-north" / "model.json").exists()
    assert (terminal.folder / "out-north" / "record.json").exists()
    for name in ("b", "uni"):
        assert ended[name].code == 6
    commands["south"].signal(signal.SIGKILL)


def test_control_c_at_one_party_stops_all(terminal: Terminal) -> None:
    group = Consortium(terminal, iterations=LASTING)
    commands = _in_training(group)
    commands["north"].signal(signal.SIGINT)
    ended = end_all(commands)
    assert ended["north"].code == 130, ended["north"]
    assert "Traceback" not in ended["north"].err
    for name in ("south", "uni"):
        assert ended[name].code == 6, ended[name]
        assert "Traceback" not in ended[name].err
        # COH-406 where the interrupt came between a frame and its count.
        assert "COH-407" in ended[name].err or "COH-406" in ended[name].err
        assert "north s" in ended[name].err


def _simulation(terminal: Terminal, **settings: float) -> list[str]:
    data = two_sites(terminal.folder).data
    study = terminal.folder / "study.toml"
    study.write_text(study_text(**settings))
    return ["simulate", str(study), *data_options(data)]


def _child_of(terminal: Terminal, name: str) -> int:
    """Return the process of a party of a simulation: the one that listens at its address."""
    found = [
        process
        for process in terminal.alive()
        if b"cohortium.run.child" in Path(f"/proc/{process}/cmdline").read_bytes()
    ]
    by_start = sorted(found, key=lambda it: int(_stat(it)[19]))
    return by_start[["north", "south", "uni"].index(name)]


def _stat(process: int) -> list[str]:
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()


def test_no_party_outlives_the_parent_of_a_simulation(terminal: Terminal) -> None:
    command = terminal.start(*_simulation(terminal, iterations=LASTING))
    command.wait_for("north: training")
    assert len(terminal.alive()) == 4
    # The others wait for it in silence, so it is not a broken pipe that ends them.
    stopped = _child_of(terminal, "south")
    os.kill(stopped, signal.SIGSTOP)
    time.sleep(0.5)
    command.signal(signal.SIGKILL)
    end = time.monotonic() + 5
    while terminal.alive() != [stopped]:
        assert time.monotonic() < end, "the parties go on without their parent"
        time.sleep(0.05)
    os.kill(stopped, signal.SIGCONT)
    assert terminal.gone_within(5)


def test_control_c_ends_a_simulation_quietly(terminal: Terminal) -> None:
    command = terminal.start(*_simulation(terminal, iterations=LASTING))
    command.wait_for("north: training")
    command.signal(signal.SIGINT, group=True)
    ended = command.end(10)
    assert ended.code == 130, ended
    assert "Traceback" not in ended.err + ended.out
    assert terminal.gone_within(2)


def test_a_party_killed_in_a_simulation_is_the_first_cause(terminal: Terminal) -> None:
    command = terminal.start(*_simulation(terminal, iterations=LASTING))
    command.wait_for("north: training")
    os.kill(_child_of(terminal, "south"), signal.SIGKILL)
    ended = command.end(15)
    check_error(ended, "COH-601", 8, "The process of south was ended by SIGKILL", "memory")


def test_an_error_of_one_party_in_a_simulation_is_shown_once_and_at_once(
    terminal: Terminal, tmp_path: Path
) -> None:
    """The others wait for it to connect: the parent does not wait for them."""
    arguments = _simulation(terminal)
    spoilt = cells("north", genes(0))
    spoilt.rows[3][7] = "seven"
    spoilt.write(tmp_path / "north.csv")
    ended = terminal.run(*arguments)
    check_error(ended, "COH-202", 3, "at north", "line 5", "'seven'")
    assert ended.seconds < 12
