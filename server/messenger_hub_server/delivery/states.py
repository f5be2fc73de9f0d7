"""The states of an operation and the only transitions between them.

    from                        to                                        when
    –                           pending                                   accepted
    pending                     leased                                    an agent has credit
    pending, leased (unstarted) cancelled                                 a client
    pending                     expired, failed                           expires_at; the session API or channel was deleted
    pending                     sent, succeeded, uncertain                facts, or a restore
    leased                      pending                                   not started, void, or given back
    leased                      sent, delivered, read, succeeded          facts
    leased                      failed, expired                           proof that nothing happened
    leased                      uncertain                                 a fault between intent and end, inconclusive look-up
    sent → delivered → read                                               receipts
    uncertain                   sent, delivered, read, succeeded, failed  facts, or a person
    cancelled, expired, failed  sent, delivered, read, succeeded          facts beat decisions

The migration copies this table into the database, where a foreign key refuses every other transition.
"""

from __future__ import annotations

from collections.abc import Mapping

from messenger_hub_server.model import OperationState as S

FACTS = frozenset({S.SENT, S.DELIVERED, S.READ, S.SUCCEEDED})
LIVE = frozenset({S.PENDING, S.LEASED})
SETTLED = frozenset(S) - LIVE
NOT_SENT = frozenset({S.CANCELLED, S.EXPIRED, S.FAILED})

TRANSITIONS: Mapping[S, frozenset[S]] = {
    S.PENDING: frozenset({S.LEASED, S.CANCELLED, S.EXPIRED, S.FAILED, S.SENT, S.SUCCEEDED, S.UNCERTAIN}),
    S.LEASED: frozenset({S.PENDING, S.CANCELLED, S.FAILED, S.EXPIRED, S.UNCERTAIN}) | FACTS,
    S.SENT: frozenset({S.DELIVERED, S.READ}),
    S.DELIVERED: frozenset({S.READ}),
    S.READ: frozenset(),
    S.SUCCEEDED: frozenset(),
    S.UNCERTAIN: FACTS | {S.FAILED},
    S.CANCELLED: FACTS,
    S.EXPIRED: FACTS,
    S.FAILED: FACTS,
}


def sources(to: S) -> frozenset[S]:
    """The states that a transition to `to` may start from."""
    return frozenset(state for state, targets in TRANSITIONS.items() if to in targets)
