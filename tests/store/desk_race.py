"""Desks that race for the lead and are killed; a process of its own, so that it may fork.

Called with the store's address. A desk folds what is new as long as it leads; the one that kills knows
nothing of what they do. It kills one for each line of its input and says so, and lets the others go on until
that ends.
"""

import os
import random
import signal
import sys
import time

from alerting.desk import Desk
from alerting.errors import Fenced, StoreDown
from alerting.policy.rulings import Policy, Receiver
from monitor.store.postgres import PostgresStore
from tests.waiting import pass_real_time

LEASE_MS = 60
POLICY = Policy({"m": Receiver("m", ("hook",))}, "m")


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def desk(address: str, name: str) -> None:
    """Lead when it can, fold while it leads, forget all when it is fenced."""
    store, leader = PostgresStore(address, name), None
    while True:
        try:
            if not store.lead_desk(name, now_ms(), now_ms() + LEASE_MS):
                leader = None
                pass_real_time(LEASE_MS / 2_000)
                continue
            if leader is None:
                epoch, cursor = store.take_desk(name)
                leader = epoch, Desk(POLICY, store.desk_rows(), cursor)
            epoch, folding = leader
            news = store.transitions_after(folding.cursor)[:7]
            if news:
                store.commit_desk(epoch, folding.fold(news), folding.cursor)
        except (Fenced, StoreDown):
            leader = None


def born(address: str, number: int) -> int:
    """A desk in a process of its own."""
    if pid := os.fork():
        return pid
    try:
        desk(address, f"desk-{number}")
    finally:
        os._exit(1)


def main(address: str) -> None:
    """Kill or stop one of three desks after the other, and then let them finish."""
    chance, desks = random.Random(5), [born(address, number) for number in range(3)]
    for number, _ in enumerate(sys.stdin, 3):
        pass_real_time(chance.random() * 0.08)
        if chance.random() < 0.2:  # longer than its lease, then it goes on as if nothing had been
            paused = chance.choice(desks)
            os.kill(paused, signal.SIGSTOP)
            pass_real_time(2 * LEASE_MS / 1_000)
            os.kill(paused, signal.SIGCONT)
        killed = desks.pop(chance.randrange(3))
        os.kill(killed, signal.SIGKILL)
        os.waitpid(killed, 0)
        desks.append(born(address, number))
        print("killed", flush=True)
    for pid in desks:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main(sys.argv[1])
