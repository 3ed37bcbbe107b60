"""Replies that are too much, slow ones, and what a real Redis says when it will not."""

import os
import threading
import time

import pytest
import redis

from actions import ANY, EVENT, redis_act, redis_command
from servers import Proxy, Redis, free_port, wait_until


# ---- replies that are too much -------------------------------------------------------------------

NEST = "local t = 1 for i = 1, tonumber(ARGV[1]) do t = \\{t} end return t"


def test_deep_replies(serve_redis, redis_):
    """Eight levels are served; nine fail their task, and what was sent behind it is unknown."""
    daemon = serve_redis(redis_act("SET", "before", key="before", value="{id}"),
                         redis_command("EVAL", NEST, 0, "{number}", ident="deep"),
                         redis_act("SET", "after", key="after", value="{id}"))
    reply = daemon.post(EVENT, {"id": "1", "number": 8})
    assert reply.response("deep")["responsePayload"] == [[[[[[[[1]]]]]]]], reply.text
    reply = daemon.post(EVENT, {"id": "2", "number": 9})
    assert reply.response("before")["responseCode"] == 201
    deep, after = reply.response("deep"), reply.response("after")
    assert deep["responseCode"] == 502, deep
    assert deep["responseMessage"] == \
        "redis (test): the answer is nested deeper than 8 levels"
    assert after["responseCode"] == 504 and "lost after the command was sent" in \
        after["responseMessage"], after
    assert redis_.client().get("after") == b"2"  # unknown: here it did happen
    reply = daemon.post(EVENT, {"id": "3", "number": 1})
    assert all(reply.response(name)["status"] for name in ("before", "deep", "after")), reply.text


@pytest.mark.long_pass("a reply of 1 MiB is formed, kept and sent in one pass")
@pytest.mark.parametrize("limit", [None, "64KiB"])
def test_large_replies(serve_redis, redis_, limit):
    size = 65536 if limit else 1 << 20
    client = redis_.client()
    client.set("big", b"x" * (2 << 20))
    client.rpush("list", *[b"y" * 100] * (size // 50))
    account = {"pool": {"responseLimit": limit}} if limit else {}
    daemon = serve_redis(redis_act("SET", "before", key="before", value="{id}"),
                         redis_command("GETRANGE", "big", 0, "{number}", ident="big"),
                         redis_act("SET", "after", key="after", value="{id}"), account=account)
    whole = size - 1 - 4 - len(str(size))  # with $, the length and two line ends: the limit
    reply = daemon.post(EVENT, {"id": "1", "number": whole - 1})
    assert len(reply.response("big")["responsePayload"]) == whole
    for bytes_ in (whole + 1, 2 << 20):
        reply = daemon.post(EVENT, {"id": "2", "number": bytes_ - 1})
        big, after = reply.response("big"), reply.response("after")
        assert reply.response("before")["responseCode"] == 201
        assert big["responseCode"] == 502 and after["responseCode"] == 504, reply.text
        assert big["responseMessage"] == \
            f"redis (test): the answer is larger than the responseLimit of {size} bytes"
        reply = daemon.post(EVENT, {"id": "3", "number": 9})
        assert reply.response("big")["responsePayload"] == "x" * 10
        assert reply.response("after")["status"] is True


def test_large_lists(serve_redis, redis_):
    redis_.client().rpush("list", *["y" * 50] * 5000)
    daemon = serve_redis(redis_command("LRANGE", "list", 0, "{number}"),
                         account={"pool": {"responseLimit": "64KiB"}})
    answer = daemon.post(EVENT, {"number": 999}).response("do")
    assert answer["responsePayload"] == ["y" * 50] * 1000
    answer = daemon.post(EVENT, {"number": -1}).response("do")
    assert answer["responseCode"] == 502 and "responseLimit of 65536" in answer["responseMessage"]
    assert daemon.post(EVENT, {"number": 0}).response("do")["responsePayload"] == ["y" * 50]


def test_binary_replies(serve_redis, redis_):
    redis_.client().rpush("l", b"\xff\x00", "text")
    answer = serve_redis(redis_command("LRANGE", "l", 0, -1)).post(EVENT, {}).response("do")
    assert answer["responsePayload"] == ["/wA=", "dGV4dA=="] and answer["encoding"] == "base64"


# ---- time ----------------------------------------------------------------------------------------

SPIN = ("local function now() local t = redis.call('TIME') return t[1] * 1000 + t[2] / 1000 end "
        "local e = now() + ARGV[1] while now() < e do end return 'spun'")


def connections(server):
    return server.client().info("stats")["total_connections_received"]


def test_a_timeout_longer_than_the_accounts(serve_redis, own_redis):
    """
    The slow command has its own time; another one's deadline passes, its answer comes later and is
    nobody's, and the connection stays.
    """
    server = own_redis()
    daemon = serve_redis(redis_command("EVAL", SPIN, 0, "{number}", ident="slow", timeout="20s"),
                         redis_act("INCR", "quick", key="n"),
                         account={"pool": {"timeout": "300ms"}}, server=server)
    assert daemon.post(EVENT, {"number": 1}).response("quick")["responsePayload"] == 1
    before = connections(server)
    reply = daemon.post(EVENT, {"number": 1500})
    assert reply.response("slow")["responsePayload"] == "spun", reply.text
    quick = reply.response("quick")
    assert quick["responseCode"] == 504 and "no answer within 300ms" in quick["responseMessage"]
    assert daemon.post(EVENT, {"number": 1}).response("quick")["responsePayload"] == 3
    assert connections(server) == before + 1  # the one that asks


def test_silence_for_the_longest_timeout(serve_redis, redis_):
    """A connection that answers nothing is given up, and not before."""
    proxy = Proxy(redis_.port)
    server = type("Behind", (), {"url": lambda self, database=0, port=None:
                                 redis_.url(database, proxy.port)})()
    daemon = serve_redis(redis_act("SET", "short", key="k", value="v"),
                         redis_act("SET", "long", {"timeout": "2s"}, key="l", value="v"),
                         account={"pool": {"timeout": "200ms"}}, server=server)
    assert daemon.post(EVENT, {}).response("long")["status"] is True
    proxy.mode = "mute"
    started = time.monotonic()
    reply = daemon.post(EVENT, {})
    assert 1.8 < time.monotonic() - started < 6
    assert 190 < reply.response("short")["responseTimeMS"] < 1500, reply.text
    assert reply.response("long")["responseCode"] == 504, reply.text
    proxy.mode = "pass"
    wait_until(lambda: daemon.post(EVENT, {}).response("short")["status"], 10, "a good answer")
    proxy.close()


# ---- what the server says when it will not -------------------------------------------------------

def refusal(answer):
    assert answer["status"] is False and answer["responseMessage"].startswith("redis (test): ")
    return answer["responseCode"], answer["responseDetail"]


def test_what_a_client_may_set(serve_redis, own_redis):
    server = own_redis()
    daemon = serve_redis(redis_act("SET", key="k", value="v"), server=server)
    client = server.client()
    for settings, word in (({"maxmemory": 1}, "OOM"), ({"min-replicas-to-write": 1}, "NOREPLICAS")):
        for name, value in settings.items():
            client.config_set(name, value)
        assert refusal(daemon.post(EVENT, {}).response("do")) == (503, word)
        for name in settings:
            client.config_set(name, 0)
        assert daemon.post(EVENT, {}).response("do")["status"] is True


def test_replicas_without_their_master(serve_redis, own_redis):
    server = own_redis()
    daemon = serve_redis(redis_act("SET", "write", key="k", value="v"),
                         redis_command("GET", "k", ident="read"), server=server)
    assert daemon.post(EVENT, {}).response("read")["responsePayload"] == "v"
    server.client().execute_command("REPLICAOF", "127.0.0.1", str(free_port()))
    server.client().config_set("replica-serve-stale-data", "no")
    reply = daemon.post(EVENT, {})
    assert refusal(reply.response("write")) == (503, "READONLY")
    assert refusal(reply.response("read")) == (503, "MASTERDOWN")


def test_a_disk_that_takes_nothing(serve_redis, own_redis):
    server = own_redis("--save", "3600 1000000")
    daemon = serve_redis(redis_act("SET", key="k", value="v"), server=server)
    client = server.client()
    os.chmod(server.folder, 0o555)
    client.bgsave()
    wait_until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", 10,
               "a background save that failed")
    assert refusal(daemon.post(EVENT, {}).response("do")) == (503, "MISCONF")


def test_a_script_that_spins(serve_redis, own_redis):
    server = own_redis("--lua-time-limit", "20")
    daemon = serve_redis(redis_act("SET", key="k", value="v"), server=server)
    assert daemon.post(EVENT, {}).response("do")["status"] is True

    def spin():
        with pytest.raises(redis.ResponseError, match="killed"):
            server.client().eval("while true do end", 0)

    thread = threading.Thread(target=spin)
    thread.start()
    wait_until(lambda: not daemon.post(EVENT, {}).response("do")["status"], 10, "a busy server")
    assert refusal(daemon.post(EVENT, {}).response("do")) == (503, "BUSY")
    server.client().script_kill()
    thread.join()
    assert daemon.post(EVENT, {}).response("do")["status"] is True


class Loading(Redis):
    """Counts as started when it says that it is loading."""

    def answers(self):
        try:
            return self.client().ping()
        except redis.BusyLoadingError:
            return True
        except redis.RedisError:
            return False


def test_a_server_that_is_loading(serve_redis, own_redis):
    server = own_redis("--rdbcompression", "no", kind=Loading)
    for number in range(200):
        server.client().set(f"k{number}", b"x" * 4096)
    server.client().save()
    server.stop()
    server.options += ("--key-load-delay", "20000", "--loading-process-events-interval-bytes",
                       "1024")
    server.start()
    daemon = serve_redis(redis_act("SET", key="k", value="v"), server=server)
    assert refusal(daemon.post(EVENT, {}).response("do")) == (503, "LOADING")
    wait_until(lambda: daemon.post(EVENT, {}).response("do")["status"], 20, "the end of loading")


def test_a_user_without_permission(project, start, own_redis):
    server = own_redis()
    server.client().execute_command("ACL", "SETUSER", "ann", "on", ">ann", "~mine:*", "+set",
                                    "+xadd")
    project.account("redis", "REDIS", test={"url": f"redis://ann:ann@127.0.0.1:{server.port}"})
    project.event(EVENT, [redis_act("SET", "mine", key="mine:k", value="v"),
                          redis_act("SET", "key", key="k", value="v"),
                          redis_act("DEL", "command", key="mine:k"),
                          redis_command("FLUSHALL", ident="any"),
                          redis_act("XADD", "stream", key="mine:s", fields={"a": "b"})], ANY)
    reply = start(project).post(EVENT, {})
    assert reply.response("mine")["responseCode"] == reply.response("stream")["responseCode"] == 201
    for ident in ("key", "command", "any"):
        assert refusal(reply.response(ident)) == (403, "NOPERM")


def test_errors_of_commands(serve_redis, redis_):
    client = redis_.client()
    client.rpush("list", "1")
    client.execute_command("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    reply = serve_redis(
        redis_act("INCR", "type", key="list"), redis_command("NOSUCH", "x", ident="unknown"),
        redis_command("GET", ident="count"),
        redis_command("EVALSHA", "0" * 40, 0, ident="script"),
        redis_command("XGROUP", "CREATE", "s", "g", "$", ident="group"),
        redis_command("EVAL", "return redis.error_reply('MY_CODE said it')", 0, ident="own"),
        redis_command("EVAL", "return redis.error_reply('said it')", 0, ident="none"),
        redis_act("SET", "after", key="k", value="v")).post(EVENT, {})
    for ident, word in (("type", "WRONGTYPE"), ("unknown", "ERR"), ("count", "ERR"),
                        ("script", "NOSCRIPT"), ("group", "BUSYGROUP"), ("own", "MY_CODE")):
        assert refusal(reply.response(ident)) == (400, word)
    assert reply.response("none")["responseCode"] == 400
    assert reply.response("after")["status"] is True


def cluster_node(own_redis):
    return own_redis("--cluster-enabled", "yes", "--cluster-port", str(free_port()))


def test_a_cluster(project, start, own_redis):
    """Slots that nobody serves, that another one serves, and that are under way."""
    one, other = cluster_node(own_redis), cluster_node(own_redis)
    for name, server in (("one", one), ("other", other)):
        project.account(name, "REDIS", test={"url": server.url()})
    on_one = [redis_command("MGET", "\\{t}1", "\\{t}2", ident="read"),
              redis_act("SET", "write", key="\\{t}1", value="v")]
    on_other = redis_act("SET", "moved", key="\\{t}1", value="v")
    project.event(EVENT, [action | {"serviceAccountId": "one"} for action in on_one] +
                  [on_other | {"serviceAccountId": "other"}], ANY)
    daemon, client = start(project), one.client()

    def said(ident):
        answer = daemon.post(EVENT, {}).response(ident)
        return answer["responseCode"], answer.get("responseDetail")

    assert said("write") == said("moved") == (503, "CLUSTERDOWN")
    client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    client.execute_command("CLUSTER", "MEET", "127.0.0.1", other.port,
                           other.client().config_get("cluster-port")["cluster-port"])
    wait_until(lambda: said("write") == (201, None), 20, "a cluster that stands")
    wait_until(lambda: said("moved") == (400, "MOVED"), 20, "the other node's knowledge of it")
    slot = client.execute_command("CLUSTER", "KEYSLOT", "{t}1")
    ident = other.client().execute_command("CLUSTER", "MYID")
    client.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", ident)
    assert said("read") == (503, "TRYAGAIN")
