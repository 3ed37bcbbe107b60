"""REDIS SET on a real server, and on one that gives odd answers."""

import json

import pytest

from actions import ANY, EVENT, redis_account, set_key
from harness import Wire, request_bytes
from servers import FakeRedis, wait_until


# ---- what arrives --------------------------------------------------------------------------------

@pytest.fixture
def run_set(project, start, redis_):
    def run(template, *payloads, account=None):
        redis_account(project, redis_, **(account or {}))
        project.event(EVENT, [set_key(**template)], ANY)
        daemon = start(project)
        answers = [daemon.post(EVENT, payload).response("key") for payload in payloads]
        return answers if len(answers) > 1 else answers[0]
    return run


def test_set(run_set, redis_):
    answer = run_set({"key": "k:{id}", "value": "<{text}>"}, {"id": "é", "text": "\r\n\x00"})
    assert answer["responseCode"] == 201 and answer["responsePayload"] == "OK"
    assert redis_.client().get("k:é") == b"<\r\n\x00>" and redis_.client().ttl("k:é") == -1


@pytest.mark.parametrize("ttl, milliseconds", [("10s", 10000), ("1500ms", 1500), ("2h", 7200000)])
def test_ttl(run_set, redis_, ttl, milliseconds):
    assert run_set({"key": "k", "value": "v", "ttl": ttl}, {})["status"] is True
    assert milliseconds - 1400 < redis_.client().pttl("k") <= milliseconds


def test_ttl_through_a_wildcard(run_set, redis_):
    """A duration's text or a number of seconds; anything else fails the task."""
    payloads = [{"id": "a", "value": "1m"}, {"id": "b", "value": 90}, {"id": "c", "value": 1.5},
                {"id": "d", "value": "soon"}, {"id": "e", "value": 0}, {"id": "f", "value": -1},
                {"id": "g"}, {"id": "h", "value": ""}, {"id": "i", "value": {}},
                {"id": "j", "value": True}, {"id": "k", "value": 1e30}]
    answers = run_set({"key": "k:{id}", "value": "v", "ttl": "{value}"}, *payloads)
    for payload, answer, expected in zip(payloads, answers, (60, 90, 1.5) + (None,) * 8):
        left = redis_.client().pttl(f"k:{payload['id']}")
        if expected is None:
            assert answer["responseCode"] == 422 and left == -2, (payload, answer)
        else:
            assert answer["status"] and expected * 1000 - 1400 < left <= expected * 1000


def test_stringify(run_set, redis_):
    payloads = [{"id": "a", "value": "x\"y"}, {"id": "b", "value": 5}, {"id": "c", "value": None},
                {"id": "d"}, {"id": "e", "value": [1, {"a": None}]}, {"id": "f", "value": False}]
    answers = run_set({"key": "{id}", "value": "{value}", "stringify": True}, *payloads)
    for payload, answer in zip(payloads, answers):
        assert answer["status"] is True, answer
        assert json.loads(redis_.client().get(payload["id"])) == payload.get("value")


def test_without_stringify(run_set, redis_):
    """A scalar as text; an object, an array and nothing at all are no argument."""
    payloads = [{"id": "a", "value": "x\"y"}, {"id": "b", "value": 5}, {"id": "c", "value": True},
                {"id": "d", "value": ""}, {"id": "e", "value": {"a": 1}}, {"id": "f", "value": []},
                {"id": "g", "value": None}, {"id": "h"}]
    answers = run_set({"key": "{id}", "value": "{value}"}, *payloads)
    for payload, answer, expected in zip(payloads, answers, [b'x"y', b"5", b"true", b""] +
                                         [None] * 4):
        assert redis_.client().get(payload["id"]) == expected, (payload, answer)
        assert answer["responseCode"] == (422 if expected is None else 201), (payload, answer)


def test_forms_of_the_redis_url(project, start, redis_):
    redis_.client().execute_command("ACL", "SETUSER", "ann", "on", ">p@ss:word", "~*", "+@all")
    halves = [{"url": f"redis://:secret@127.0.0.1:{redis_.port}/3"},
              {"url": f"redis://default:secret@localhost:{redis_.port}"},
              {"url": f"redis://127.0.0.1:{redis_.port}/3", "password": "secret"},
              {"url": f"redis://127.0.0.1:{redis_.port}", "username": "ann",
               "password": "p@ss:word"},
              {"url": f"redis://ann:p%40ss%3Aword@127.0.0.1:{redis_.port}/3"},
              {"url": f"unix:{redis_.folder}/socket?db=3", "password": "secret"}]
    for number, half in enumerate(halves):
        project.account(f"redis{number}", "REDIS", test=half, live=half)
    project.event(EVENT, [set_key(f"key{n}", f"redis{n}", key=f"k{n}", value="v")
                          for n in range(len(halves))], ANY)
    reply = start(project).post(EVENT, {})
    for number, half in enumerate(halves):
        assert reply.response(f"key{number}")["status"] is True, (half, reply.text)
        base = 3 if "/3" in half["url"] or "db=3" in half["url"] else 0
        assert redis_.client(base).get(f"k{number}") == b"v"


# ---- errors and answers --------------------------------------------------------------------------

def test_a_login_that_is_refused(project, start, redis_):
    redis_.client().execute_command("ACL", "SETUSER", "bob", "on", ">bob", "~allowed*", "+set",
                                    "+select")
    for name, half in {"wrong": {"password": "wrong"}, "none": {},
                       "bob": {"username": "bob", "password": "bob"}}.items():
        half = {"url": f"redis://127.0.0.1:{redis_.port}", **half}
        project.account(name, "REDIS", test=half, live=half)
    project.event(EVENT, [set_key("wrong", "wrong", key="k", value="v"),
                          set_key("none", "none", key="k", value="v"),
                          set_key("bob", "bob", key="denied", value="v"),
                          set_key("bob2", "bob", key="allowed", value="v")], ANY)
    daemon = start(project)
    for _ in range(2):
        reply = daemon.post(EVENT, {})
        for action, code, word in (("wrong", 403, "WRONGPASS"), ("none", 403, "NOAUTH"),
                                   ("bob", 403, "NOPERM"), ("bob2", 201, None)):
            answer = reply.response(action)
            assert answer["responseCode"] == code, (action, answer)
            assert answer.get("responseDetail") == word, (action, answer)


WORDS = {"LOADING": 503, "READONLY": 503, "MASTERDOWN": 503, "CLUSTERDOWN": 503, "TRYAGAIN": 503,
         "BUSY": 503, "OOM": 503, "MISCONF": 503, "NOREPLICAS": 503, "NOPERM": 403, "ERR": 400,
         "WRONGTYPE": 400, "MOVED": 400, "WHATEVER": 400}


def test_error_replies(project, start):
    fake = FakeRedis(lambda command: b"-%s of the test\r\n" % command[1])
    project.account("redis", "REDIS", test={"url": fake.url()})
    project.event(EVENT, [set_key(key="{id}", value="v")], ANY)
    daemon = start(project)
    for word, code in WORDS.items():
        answer = daemon.post(EVENT, {"id": word}).response("key")
        assert (answer["responseCode"], answer["responseDetail"]) == (code, word), answer
        assert f"{word} of the test" in answer["responseMessage"]
    assert fake.opened == 1  # an error is an answer: the connection stays
    fake.close()


REPLIES = [
    (b"+OK\r\n", "OK", {}), (b":5\r\n", 5, {}), (b"$-1\r\n", None, {}), (b"*-1\r\n", None, {}),
    (b"$5\r\nh\xc3\xa9ll\r\n", "héll", {}), (b"$0\r\n\r\n", "", {}), (b"*0\r\n", [], {}),
    (b"*2\r\n:1\r\n*2\r\n$1\r\na\r\n$-1\r\n", [1, ["a", None]], {}),
    (b"$2\r\n\xff\x00\r\n", "/wA=", {"encoding": "base64"}), (b":-9223372036854775808\r\n",
                                                              -9223372036854775808, {}),
]


def test_replies_as_json(project, start):
    fake = FakeRedis(lambda command: REPLIES[int(command[1])][0])
    project.account("redis", "REDIS", test={"url": fake.url()})
    project.event(EVENT, [set_key(key="{id}", value="v")], ANY)
    daemon = start(project)
    for number, (sent, expected, beside) in enumerate(REPLIES):
        answer = daemon.post(EVENT, {"id": str(number)}).response("key")
        assert answer["status"] is True, (sent, answer)
        assert answer["responsePayload"] == expected, (sent, answer)
        assert {name: answer[name] for name in ("encoding", "truncated") if name in answer} == \
            beside
    fake.close()


def test_a_reply_that_never_ends(project, start):
    """Traffic feeds it and does not keep it alive; the pool's one connection comes back."""
    fake = FakeRedis(lambda command: b"$900000\r\nab" if command[1] == b"odd" else b"+OK\r\n")
    pool = {"timeout": "1s", "connections": 1, "responseLimit": "1MiB"}
    project.account("redis", "REDIS", test={"url": fake.url(), "pool": pool})
    project.event(EVENT, [set_key(key="{id}", value="v") | {"timeout": "200ms"}], ANY)
    daemon = start(project)
    assert daemon.post(EVENT, {"id": "odd"}).response("key")["responseCode"] == 504
    wait_until(lambda: daemon.post(EVENT, {"id": "good"}).response("key")["status"], 10,
               "a good answer")
    assert fake.opened == 2
    fake.close()


def test_a_length_beyond_the_limit(project, start):
    """It is not waited for."""
    fake = FakeRedis(
        lambda command: b"$99999999999\r\n" if command[1] == b"odd" else b"+OK\r\n")
    pool = {"timeout": "20s", "connections": 1, "responseLimit": "2KiB"}
    project.account("redis", "REDIS", test={"url": fake.url(), "pool": pool})
    project.event(EVENT, [set_key(key="{id}", value="v")], ANY)
    daemon = start(project)
    answer = daemon.post(EVENT, {"id": "odd"}).response("key")
    assert answer["responseCode"] == 502 and "responseLimit" in answer["responseMessage"], answer
    assert answer["responseTimeMS"] < 10000
    assert daemon.post(EVENT, {"id": "good"}).response("key")["status"] is True
    fake.close()


def test_replies_are_matched_in_order(project, start):
    """Many at once on one connection: each gets its own answer."""
    fake = FakeRedis(lambda command: b"$%d\r\n%s\r\n" % (len(command[1]), command[1]))
    project.account("redis", "REDIS", test={"url": fake.url()})
    project.event(EVENT, [set_key(f"key{n}", key=f"{{id}}:{n}", value="v") for n in range(5)], ANY)
    daemon = start(project)
    with Wire(daemon.port) as wire:
        wire.send(b"".join(request_bytes(daemon, EVENT, b'{"id":"%d"}' % n) for n in range(200)))
        for number in range(200):
            reply = wire.reply()
            for which in range(5):
                assert reply.response(f"key{which}")["responsePayload"] == f"{number}:{which}"
    assert fake.opened == 1
    fake.close()


@pytest.mark.parametrize("reply", [
    b"$100000\r\n" + b"x" * 100000 + b"\r\n", b"$100000\r\n" + b"x" * 5000,
    b"*1000000\r\n" + b":1\r\n" * 1000, b"*1\r\n" * 100 + b":1\r\n",
    b"$9999999999999999999\r\n", b"$-2\r\n", b"*-2\r\n", b"!garbage\r\n", b":12x\r\n", b"+OK",
    b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00" * 100, None, b"",
], ids=lambda reply: repr(reply[:12]) if reply is not None else "closed")
def test_odd_answers_of_redis(project, start, reply):
    """Too large, too deep, endless, no RESP, none: the task fails in time, the next one is served."""
    fake = FakeRedis(lambda command: b"+OK\r\n" if command[1] == b"good" else reply)
    half = {"url": fake.url(), "pool": {"responseLimit": "2KiB", "timeout": "1s"}}
    project.account("redis", "REDIS", test=half, live=half)
    project.event(EVENT, [set_key(key="{id}", value="v")], ANY)
    daemon = start(project)
    assert daemon.post(EVENT, {"id": "good"}).response("key")["status"] is True
    answer = daemon.post(EVENT, {"id": "odd"}).response("key")
    if "truncated" not in answer:
        assert answer["status"] is False, answer
        assert answer["responseCode"] in (502, 504) and answer["responseMessage"], answer
    wait_until(lambda: daemon.post(EVENT, {"id": "good"}).response("key")["status"], 10,
               "a good answer")
    fake.close()
