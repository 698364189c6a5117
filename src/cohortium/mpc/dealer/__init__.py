"""N ≥ 2 computing parties with additive shares, and a dealer of correlated randomness.

Semi-honest; any number of computing parties but one may collude; the dealer must not collude
with a computing party.
"""

from cohortium.mpc.dealer.computing import ComputingParty
from cohortium.mpc.dealer.dealing import Dealer
from cohortium.mpc.dealer.outside import Outsider
from cohortium.mpc.dealer.session import Roles
from cohortium.mpc.protocol import Ledger, Protocol
from cohortium.net.mesh import Mesh
from cohortium.ring import Engine

__all__ = ["ComputingParty", "Dealer", "Outsider", "Roles", "start"]


def start(mesh: Mesh, roles: Roles, ledger: Ledger, engine: Engine | None = None) -> Protocol:
    """Return this party's side of a new session, by its role; the dealer's keys are handed out."""
    if mesh.name == roles.dealer:
        return Dealer(mesh, roles, ledger, engine)
    if mesh.name in roles.computing:
        return ComputingParty(mesh, roles, ledger, engine)
    return Outsider(mesh, roles, ledger, engine)
