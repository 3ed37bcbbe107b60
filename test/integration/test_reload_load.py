"""A hundred reloads beside a load, half of them of a broken folder: told by the figures."""

import os
import re

from actions import ANY, EVENT, insert_into, pg_account, redis_account, redis_command, set_key
from admin import metrics
from certificates import Authority
from harness import SANITIZED, Wire, log_action
from load import Clients
from servers import wait_until
from test_reload import hang_up, version, volley_backends, volley_clients
from tls_clients import TlsWire, client_context, with_tls

RELOADS = 20 if SANITIZED else 100


def write_marked(project, mark):
    """An event whose five actions in two filters all tell, or leave behind, the same mark."""
    project.event(EVENT, [
        {"id": "first", "actions": [
            redis_command("ECHO", f"{mark}", ident="told"),
            insert_into(payload={"id": "{id}", "mark": f"{mark}"}, returning=["mark"])]},
        {"id": "second", "actions": [
            redis_command("ECHO", f"{mark}", ident="again"),
            set_key(key="{id}", value=f"{mark}"),
            log_action(message=f"mark {mark} of {{id}}")]}], ANY)


def marks(ident, reply):
    """(id, catalog, the marks in one reply)"""
    assert all(task["response"]["status"] is True for rule in reply.json()["match_rules"]
               for task in rule["actions"]), reply.text
    return ident, version(reply), {
        reply.response("told")["responsePayload"], reply.response("again")["responsePayload"],
        reply.response("row")["responsePayload"]["rows"][0]["mark"]}


def left_behind(daemon, postgres, client):
    """What the events left in the table, in Redis and in the log: three {id: mark}."""
    keys = client.keys()
    return [dict(postgres.run("SELECT id, mark FROM t", database="test")),
            {key.decode(): mark.decode() for key, mark in zip(keys, client.mget(keys))},
            {ident: mark for mark, ident in
             re.findall(r'msg="mark (\S+) of (\S+)"', daemon.log())}]


def reloads(daemon):
    """volley_reloads_total by result."""
    page = metrics(daemon)
    return {result: page.get("volley_reloads_total", result=result)
            for result in ("succeeded", "failed")}


def reload(daemon, result="succeeded"):
    """SIGHUP; comes back when the counter of that result, and no other, has moved by one."""
    before = reloads(daemon)
    hang_up(daemon)
    wait_until(lambda: reloads(daemon) != before, 30, "the reload")
    assert reloads(daemon) == {**before, result: before[result] + 1}, daemon.log()[-2000:]


def pools(daemon):
    """Connections that were ever opened, and those that stand, by account half."""
    page = metrics(daemon)
    return {(account, environment): (
        page.sum("volley_pool_connects_total", account=account, environment=environment),
        page.sum("volley_pool_connections", account=account, environment=environment))
        for account in ("pg", "redis") for environment in ("live", "test")}


def test_a_hundred_reloads_under_load(project, start, postgres, own_redis, tmp_path):
    """No request fails, none is served by two catalogs, no pool is opened anew, none is left over."""
    postgres.run("CREATE TABLE t (id text PRIMARY KEY, mark text)", database="test")
    redis_ = own_redis()
    client = redis_.client()
    authority = Authority(tmp_path / "tls")
    port = with_tls(project, authority.issue("server"))
    context = client_context(authority.certificate)
    pg_account(project, postgres, pool={"connections": 1})
    redis_account(project, redis_)
    write_marked(project, "m1")
    daemon = start(project)
    load = Clients(daemon, [lambda: Wire(daemon.port), lambda: TlsWire(port, context)] * 2,
                   keep=marks)
    load.goes_on(100, "the load")
    wait_until(lambda: len(volley_clients(client)) == 2, 10, "both halves' connections")
    before = pools(daemon), volley_clients(client), volley_backends(postgres)
    assert set(before[0].values()) == {(1, 1)}
    for number in range(RELOADS // 2):
        write_marked(project, f"m{number + 2}")
        reload(daemon)
        project.write("events/broken.yaml", "id: broken\nfilters: [\n")
        reload(daemon, "failed")
        os.remove(project.path("events/broken.yaml"))
    load.goes_on(20, "events after the last reload")
    load.end()
    assert reloads(daemon) == {"succeeded": RELOADS // 2, "failed": RELOADS // 2}
    assert [answer for answer in load.answers if answer[2] != {f"m{answer[1]}"}] == []
    seen = {catalog for _, catalog, _ in load.answers}
    assert seen >= {1, RELOADS // 2 + 1} and len(seen) > RELOADS // 4
    wanted = {ident: f"m{catalog}" for ident, catalog, _ in load.answers}
    assert left_behind(daemon, postgres, client) == [wanted] * 3
    wait_until(lambda: metrics(daemon).get("volley_catalogs_alive") == 1, 10, "one catalog")
    assert (pools(daemon), volley_clients(client), volley_backends(postgres)) == before
    print(f"{len(load.answers)} events beside {RELOADS} reloads")
