"""A hundred reloads beside a load, half of them of a broken folder: told by the figures."""

import concurrent.futures
import os
import threading

from actions import ANY, EVENT, insert_into, pg_account, redis_account, redis_command
from admin import metrics
from harness import SANITIZED, Wire, request_bytes
from servers import wait_until
from test_reload import hang_up, version, volley_backends, volley_clients

RELOADS = 20 if SANITIZED else 100


def write_marked(project, mark):
    """An event whose three actions in two filters all tell the same mark."""
    project.event(EVENT, [
        {"id": "first", "actions": [redis_command("ECHO", f"{mark}", ident="one"),
                                    insert_into(payload={"id": "{id}", "mark": f"{mark}"},
                                                ident="row", returning=["mark"])]},
        {"id": "second", "actions": [redis_command("ECHO", f"{mark}", ident="two")]}], ANY)


class Marks:
    """Clients that send events until told to stop, and keep what marks which catalog told."""

    def __init__(self, daemon, clients=3):
        self.daemon = daemon
        self.ended = threading.Event()
        self.told = []  # (catalog, the marks of one reply)
        self.pool = concurrent.futures.ThreadPoolExecutor(clients)
        self.clients = [self.pool.submit(self.send, number) for number in range(clients)]

    def send(self, client):
        number = 0
        with Wire(self.daemon.port) as wire:
            while not self.ended.is_set():
                number += 1
                wire.send(request_bytes(self.daemon, EVENT, b'{"id":"%d-%d"}' % (client, number)))
                reply = wire.reply(30)
                assert reply.status == 201, reply.text
                marks = {reply.response("one")["responsePayload"],
                         reply.response("two")["responsePayload"],
                         reply.response("row")["responsePayload"]["rows"][0]["mark"]}
                self.told.append((version(reply), marks))

    def end(self):
        self.ended.set()
        for client in self.clients:
            client.result(60)


def reloads(daemon):
    """volley_reloads_total by result."""
    return {result: metrics(daemon).get("volley_reloads_total", result=result)
            for result in ("succeeded", "failed")}


def pools(daemon):
    """Connections that were ever opened, and those that stand, by account half."""
    page = metrics(daemon)
    return {(account, environment): [
        page.sum(name, account=account, environment=environment)
        for name in ("volley_pool_connects_total", "volley_pool_connections")]
        for account in ("pg", "redis") for environment in ("live", "test")}


def test_a_hundred_reloads_under_load(project, start, postgres, own_redis):
    """No request fails, none is served by two catalogs, no pool is opened anew, none is left over."""
    postgres.run("CREATE TABLE t (id text, mark text)", database="test")
    redis_ = own_redis()
    client = redis_.client()
    pg_account(project, postgres, pool={"connections": 1})
    redis_account(project, redis_)
    write_marked(project, "catalog 1")
    daemon = start(project)
    load = Marks(daemon)
    wait_until(lambda: len(load.told) > 100 and len(volley_clients(client)) == 2, 30, "the load")
    before = pools(daemon), volley_clients(client), volley_backends(postgres)
    assert set(map(tuple, before[0].values())) == {(1, 1)}
    names = {1: "catalog 1"}
    for number in range(RELOADS // 2):
        for result in ("succeeded", "failed"):
            count = reloads(daemon)
            if result == "succeeded":
                names[number + 2] = f"catalog {number + 2}"
                write_marked(project, names[number + 2])
            else:
                project.write("events/broken.yaml", "id: broken\nfilters: [\n")
            hang_up(daemon)
            wait_until(lambda: reloads(daemon) != count, 30, "the reload")
            assert reloads(daemon) == {**count, result: count[result] + 1}
        os.remove(project.path("events/broken.yaml"))
    seen = len(load.told)
    wait_until(lambda: len(load.told) > seen + 20, 30, "events after the last reload")
    load.end()
    assert reloads(daemon) == {"succeeded": RELOADS // 2, "failed": RELOADS // 2}
    assert all(marks == {names[catalog]} for catalog, marks in load.told)
    assert {catalog for catalog, _ in load.told} >= {1, RELOADS // 2 + 1}
    assert len({catalog for catalog, _ in load.told}) > RELOADS // 4
    wait_until(lambda: metrics(daemon).get("volley_catalogs_alive") == 1, 10, "one catalog")
    assert (pools(daemon), volley_clients(client), volley_backends(postgres)) == before
    print(f"{len(load.told)} events beside {RELOADS} reloads")
