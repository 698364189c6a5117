"""Links are measured one after the other, at all parties alike."""

from __future__ import annotations

import threading

import pytest

from cohortium.net import memory_meshes, probe


@pytest.mark.parametrize("count", [2, 3, 4])
def test_each_party_knows_the_speed_of_each_of_its_links(count):
    names = [f"p{place}" for place in range(count)]
    found = {}

    def one(name, mesh):
        with mesh:
            found[name] = probe(mesh)

    threads = [threading.Thread(target=one, args=item) for item in memory_meshes(names).items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert set(found) == set(names)
    for name, links in found.items():
        assert list(links) == [other for other in names if other != name]
        for link in links.values():
            assert 0 < link.round_trip < 1
            assert link.sending > 1e5
            assert link.receiving > 1e5
