"""Every REDIS action with every field on a real server, and what a template cannot say."""

import json
import re

from actions import ANY, EVENT, redis_account, redis_act, redis_command
from harness import cli


# ---- what each action does -----------------------------------------------------------------------

def text_of(key):
    return lambda client: client.get(key)


def list_of(key):
    return lambda client: client.lrange(key, 0, -1)


def hash_of(key):
    return lambda client: client.hgetall(key)


def set_of(key):
    return lambda client: sorted(client.smembers(key))


def scores_of(key):
    return lambda client: client.zrange(key, 0, -1, withscores=True)


# action, template, what is done before, responseCode, responsePayload, how to look, what is there.
# K stands for a key of the row's own; the payload is PAYLOAD.
PAYLOAD = {"id": "7", "value": {"a": [1.50, None]}, "text": "é\"", "number": 2}
NOTHING = None
ROWS = [
    ("SET", {"key": "K:{id}", "value": "<{text}>"}, NOTHING, 201, "OK", text_of("K:7"),
     "<é\">".encode()),
    ("SET", {"key": "K", "value": "{value}", "stringify": True, "ttl": "1h"}, NOTHING, 201, "OK",
     lambda client: (client.get("K"), 3590000 < client.pttl("K") <= 3600000),
     (b'{"a":[1.5,null]}', True)),
    ("SET", {"key": "K", "value": {"n": "{number}", "gone": "{when?}"}, "stringify": True,
             "ttl": "{number}"}, NOTHING, 201, "OK",
     lambda client: (client.get("K"), 0 < client.pttl("K") <= 2000), (b'{"n":2}', True)),
    ("SETNX", {"key": "K", "value": "new"}, NOTHING, 201, 1, text_of("K"), b"new"),
    ("SETNX", {"key": "K", "value": "new"}, ("SET", "K", "old"), 200, 0, text_of("K"), b"old"),
    ("SETNX", {"key": "K", "value": "{text}", "stringify": True}, NOTHING, 201, 1, text_of("K"),
     '"é\\""'.encode()),
    ("RPUSH", {"key": "K", "value": "{id}"}, ("RPUSH", "K", "1"), 201, 2, list_of("K"),
     [b"1", b"7"]),
    ("RPUSH", {"key": "K", "value": ["{id}", None], "stringify": True}, NOTHING, 201, 1,
     list_of("K"), [b'["7",null]']),
    ("LPUSH", {"key": "K", "value": "{id}"}, ("RPUSH", "K", "1"), 201, 2, list_of("K"),
     [b"7", b"1"]),
    ("LPUSH", {"key": "K", "value": "{when}", "stringify": True}, NOTHING, 201, 1, list_of("K"),
     [b"null"]),
    ("SADD", {"key": "K", "value": "{id}"}, NOTHING, 201, 1, set_of("K"), [b"7"]),
    ("SADD", {"key": "K", "value": "{id}"}, ("SADD", "K", "7"), 200, 0, set_of("K"), [b"7"]),
    ("SADD", {"key": "K", "value": "{id}", "stringify": True}, ("SADD", "K", "7"), 201, 1,
     set_of("K"), [b'"7"', b"7"]),
    ("SREM", {"key": "K", "value": "{id}"}, ("SADD", "K", "7", "8"), 200, 1, set_of("K"), [b"8"]),
    ("SREM", {"key": "K", "value": "{number}", "stringify": True}, ("SADD", "K", "2", "8"), 200, 1,
     set_of("K"), [b"8"]),
    ("HSET", {"key": "K", "field": "f{id}", "value": "{number}"}, NOTHING, 201, 1, hash_of("K"),
     {b"f7": b"2"}),
    ("HSET", {"key": "K", "field": "f", "value": {"x": "{id}"}, "stringify": True},
     ("HSET", "K", "f", "1"), 201, 0, hash_of("K"), {b"f": b'{"x":"7"}'}),
    ("HSETNX", {"key": "K", "field": "f", "value": "v"}, NOTHING, 201, 1, hash_of("K"),
     {b"f": b"v"}),
    ("HSETNX", {"key": "K", "field": "f", "value": "v", "stringify": True},
     ("HSET", "K", "f", "1"), 200, 0, hash_of("K"), {b"f": b"1"}),
    ("DEL", {"key": "K"}, ("SET", "K", "1"), 200, 1, text_of("K"), None),
    ("DEL", {"key": "K"}, NOTHING, 200, 0, text_of("K"), None),
    ("INCR", {"key": "K"}, ("SET", "K", "9"), 201, 10, text_of("K"), b"10"),
    ("RPOP", {"key": "K"}, ("RPUSH", "K", "1", "2"), 200, "2", list_of("K"), [b"1"]),
    ("RPOP", {"key": "K"}, NOTHING, 200, None, list_of("K"), []),
    ("LPOP", {"key": "K"}, ("RPUSH", "K", "1", "2"), 200, "1", list_of("K"), [b"2"]),
    ("HDEL", {"key": "K", "field": "f{id}"}, ("HSET", "K", "f7", "1", "g", "2"), 200, 1,
     hash_of("K"), {b"g": b"2"}),
    ("INCRBY", {"key": "K", "value": 5}, ("SET", "K", "9"), 201, 14, text_of("K"), b"14"),
    ("INCRBY", {"key": "K", "value": "-{number}"}, ("SET", "K", "9"), 201, 7, text_of("K"), b"7"),
    ("INCRBY", {"key": "K", "value": "{id}"}, NOTHING, 201, 7, text_of("K"), b"7"),
    ("INCRBYFLOAT", {"key": "K", "value": 1.1}, ("SET", "K", "1"), 201, "2.1", text_of("K"),
     b"2.1"),
    ("INCRBYFLOAT", {"key": "K", "value": "{number}e-1"}, NOTHING, 201, "0.2", text_of("K"),
     b"0.2"),
    ("HINCRBY", {"key": "K", "field": "f", "value": "{number}"}, NOTHING, 201, 2, hash_of("K"),
     {b"f": b"2"}),
    ("HINCRBYFLOAT", {"key": "K", "field": "f", "value": "{number}.5"}, NOTHING, 201, "2.5",
     hash_of("K"), {b"f": b"2.5"}),
    ("ZADD", {"key": "K", "score": 1.5, "member": "m{id}"}, NOTHING, 201, 1, scores_of("K"),
     [(b"m7", 1.5)]),
    ("ZADD", {"key": "K", "score": "{number}", "member": "m"}, ("ZADD", "K", "1", "m"), 201, 0,
     scores_of("K"), [(b"m", 2.0)]),
    ("ZINCRBY", {"key": "K", "score": "{number}", "member": "m"}, ("ZADD", "K", "1", "m"), 201,
     "3", scores_of("K"), [(b"m", 3.0)]),
    ("XADD", {"key": "K", "fields": {"z": "{id}", "gone": "{when?}", "a": "{number}"}}, NOTHING,
     201, "ID", lambda client: [entry for _, entry in client.xrange("K")],
     [{b"z": b"7", b"a": b"2"}]),
    ("XADD", {"key": "K", "fields": {"x": "{id}"}, "maxLen": "{number}"},
     ("EVAL", "for i = 1, 500 do redis.call('XADD', 'K', '*', 'a', 'b') end", "0"), 201, "ID",
     lambda client: (client.xlen("K"), client.xrevrange("K", count=1)[0][1]), (2, {b"x": b"7"})),
    ("XADD", {"key": "K", "fields": {"x": "y"}, "maxLen": 1}, ("XADD", "K", "1-1", "a", "b"), 201,
     "ID", lambda client: client.xlen("K"), 1),
    ("COMMAND", {"args": ["GETEX", "K:{id}", "EX", 60]}, ("SET", "K:7", "v"), 200, "v",
     lambda client: 50 < client.ttl("K:7") <= 60, True),
    ("COMMAND", {"args": ["set", "K", "{number}", "NX"]}, NOTHING, 200, "OK", text_of("K"), b"2"),
    ("COMMAND", {"args": ["RPUSH", "K", True, 1.50, "", "{number}", "{when|none}"]}, NOTHING, 200,
     5, list_of("K"), [b"true", b"1.5", b"", b"2", b"none"]),
    ("COMMAND", {"args": ["EVAL", "local id = 1 local t = \\{id} return {ARGV[1], {1, false}, "
                          "redis.call('GET', KEYS[1])}", 1, "K", "{text}"]},
     ("SET", "K", "v"), 200,
     ["é\"", [1, None], "v"], text_of("K"), b"v"),
    ("COMMAND", {"args": ["HGETALL", "K"]}, ("HSET", "K", "a", "1"), 200, ["a", "1"],
     hash_of("K"), {b"a": b"1"}),
    ("COMMAND", {"args": ["XREAD", "COUNT", "{number}", "STREAMS", "K", 0]},
     ("XADD", "K", "1-1", "a", "b"), 200, None, lambda client: client.xlen("K"), 1),
]


class Renaming:
    """A client whose look at K goes to the row's own key."""

    def __init__(self, client, key):
        self.client, self.key = client, key

    def __getattr__(self, name):
        def call(key, *args, **options):
            return getattr(self.client, name)(own(key, self.key), *args, **options)
        return call


def own(value, key):
    """The value with the key K as the row's own."""
    if isinstance(value, dict):
        return {name: own(item, key) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(own(item, key) for item in value)
    return re.sub(r"^K\b|'K'", lambda match: match[0].replace("K", key), value) \
        if isinstance(value, str) else value


def test_every_action(serve_redis, redis_):
    client = redis_.client()
    actions = []
    for number, (action, template, before, *_) in enumerate(ROWS):
        actions.append(redis_act(action, f"do{number}", **own(template, f"row{number}")))
        if before:
            client.execute_command(*own(before, f"row{number}"))
    reply = serve_redis(*actions).post(EVENT, PAYLOAD)
    for number, (action, template, _, code, payload, look, expected) in enumerate(ROWS):
        answer = reply.response(f"do{number}")
        assert answer["responseCode"] == code, (number, action, template, answer)
        key = f"row{number}"
        if payload == "ID":
            assert re.fullmatch(r"\d{13}-\d+", answer["responsePayload"]), answer
        elif template.get("args", [""])[0] == "XREAD":
            assert answer["responsePayload"] == [[key, [["1-1", ["a", "b"]]]]]
        else:
            assert answer["responsePayload"] == payload, (number, action, answer)
        assert look(Renaming(client, key)) == expected, (number, action, template)
    assert {action for action, *_ in ROWS} | {"PUBLISH"} == SERVED


# Every action of the specification: a new one needs its rows.
SERVED = set("SET SETNX RPUSH LPUSH SADD SREM HSET HSETNX DEL INCR RPOP LPOP HDEL INCRBY "
             "INCRBYFLOAT HINCRBY HINCRBYFLOAT ZADD ZINCRBY PUBLISH XADD COMMAND".split())


def test_publish(serve_redis, redis_):
    listener = redis_.client().pubsub()
    listener.subscribe("news:7")
    assert listener.get_message(timeout=5)["type"] == "subscribe"
    reply = serve_redis(
        redis_act("PUBLISH", "plain", channel="news:{id}", value="<{text}>"),
        redis_act("PUBLISH", "json", channel="news:{id}", value={"v": "{value}"}, stringify=True),
        redis_act("PUBLISH", "nobody", channel="void", value="x")).post(EVENT, PAYLOAD)
    answers = [(reply.response(name)["responseCode"], reply.response(name)["responsePayload"])
               for name in ("plain", "json", "nobody")]
    assert answers == [(200, 1), (200, 1), (200, 0)]
    assert [listener.get_message(timeout=5)["data"] for _ in range(2)] == \
        ["<é\">".encode(), b'{"v":{"a":[1.5,null]}}']


ORIGINAL = """
id: service.event
name: Original
eventGroup: service
version: 0.0.1
model:
  id: String
  name: String
filters:
  -
    id: on-event
    name: onEvent
    condition: null
    actions:
"""
ORIGINAL_ACTIONS = {
    "SET": "key: 'o:set', stringify: true, value: {id: '{id}', name: '{name}'}",
    "SETNX": "key: 'o:setnx', stringify: false, value: '{name}'",
    "HSET": "key: 'o:h', field: '{id}', stringify: true, value: {id: '{id}'}",
    "HSETNX": "key: 'o:h', field: nx, stringify: false, value: '{name}'",
    "RPUSH": "key: 'o:list', stringify: true, value: {id: '{id}'}",
    "INCR": "key: 'o:n'", "INCRBY": "key: 'o:n', value: 1", "INCRBYFLOAT": "key: 'o:n', value: 1.1",
    "HINCRBY": "key: 'o:h', field: n, value: 1", "HINCRBYFLOAT": "key: 'o:h', field: n, value: 1.0",
    "RPOP": "key: 'o:list'", "HDEL": "key: 'o:h', field: nx", "DEL": "key: 'o:setnx'",
}


def test_original_files(project, start, redis_):
    """The thirteen actions of the original platform, as its command line wrote them."""
    redis_account(project, redis_)
    text = ORIGINAL
    for name, template in ORIGINAL_ACTIONS.items():
        text += (f"      -\n        id: do-{name}\n        type: REDIS\n        action: {name}\n"
                 "        operation: null\n        serviceAccountId: redis\n        async: false\n"
                 f"        template: {{{template}}}\n        onSuccess: []\n"
                 "        onFailure: []\n")
    project.write(f"events/{EVENT}.yaml", text)
    reply = start(project).post(EVENT, {"id": "1", "name": "Ann"})
    codes = {name: reply.response(f"do-{name}")["responseCode"] for name in ORIGINAL_ACTIONS}
    assert codes == {name: 200 if name in ("RPOP", "HDEL", "DEL") else 201
                     for name in ORIGINAL_ACTIONS}, reply.text
    client = redis_.client()
    assert json.loads(client.get("o:set")) == {"id": "1", "name": "Ann"}
    assert client.hgetall("o:h") == {b"1": b'{"id":"1"}', b"n": b"2"}
    assert client.get("o:n") == b"3.1" and client.keys("o:list") == [] == client.keys("o:setnx")


# ---- what a payload can and cannot do ------------------------------------------------------------

NASTY = "a\x00b\r\n*1\r\n$8\r\nFLUSHALL\r\n\n{id} {$payload} '\"\\ é𝄞"


def test_values_are_bytes_of_one_argument(serve_redis, redis_):
    client, raw = redis_.client(), NASTY.encode()
    client.set("stays", "here")
    reply = serve_redis(
        redis_act("SET", "set", key="k:{text}", value="{text}"),
        redis_act("HSET", "hset", key="h", field="{text}", value="{text}"),
        redis_act("SADD", "sadd", key="s", value="{text}"),
        redis_act("ZADD", "zadd", key="z", score=1, member="{text}"),
        redis_act("XADD", "xadd", key="x", fields={"f": "{text}", "\r\nDEL stays": "{text}"}),
        redis_act("PUBLISH", "publish", channel="{text}", value="{text}"),
        redis_command("RPUSH", "l", "{text}", "<{text}>", "\r\nDEL stays\r\n", ident="rpush"),
        redis_command("ECHO", "{text}", ident="echo")).post(EVENT, {"text": NASTY})
    for rule in reply.json()["match_rules"]:
        assert all(task["response"]["status"] for task in rule["actions"]), reply.text
    assert reply.response("echo")["responsePayload"] == NASTY
    assert client.get(b"k:" + raw) == raw and client.get("stays") == b"here"
    assert client.hgetall("h") == {raw: raw} and client.smembers("s") == {raw}
    assert client.zrange("z", 0, -1) == [raw]
    assert client.xrange("x")[0][1] == {b"f": raw, b"\r\nDEL stays": raw}
    assert client.lrange("l", 0, -1) == [raw, b"<" + raw + b">", b"\r\nDEL stays\r\n"]


def test_what_a_payload_lacks(serve_redis, redis_):
    """No value, an object, no count: the task fails, says where, and nothing is sent."""
    daemon = serve_redis(
        redis_act("XADD", "entry", key="x", fields={"a": "{text}"}),
        redis_act("XADD", "nothing", key="x", fields={"a": "{text?}", "b": "{when?}"}),
        redis_act("XADD", "length", key="x", fields={"a": "b"}, maxLen="{value}"),
        redis_act("INCRBY", "amount", key="n", value="{text}"),
        redis_act("ZADD", "member", key="z", score=1, member="{text}"),
        redis_act("HDEL", "field", key="h", field="{text}"),
        redis_command("SADD", "s", "{value}", ident="object"),
        redis_command("SADD", "s", "x", "{text?}", ident="null"))
    reply = daemon.post(EVENT, {"value": {"a": 1}})
    for ident, words in {"entry": "wildcard {text} in fields.a: no value",
                         "nothing": "nothing to add", "length": "maxLen",
                         "amount": "wildcard {text} in value: no value",
                         "member": "wildcard {text} in member: no value",
                         "field": "wildcard {text} in field: no value",
                         "object": "wildcard {value} in args.2: an Object",
                         "null": "wildcard {text} in args.3: no value"}.items():
        answer = reply.response(ident)
        assert answer["responseCode"] == 422 and words in answer["responseMessage"], answer
    assert redis_.client().keys() == []
    answer = daemon.post(EVENT, {"text": "x", "value": 0}).response("length")
    assert answer["responseMessage"] == "maxLen: not a whole number above 0"
    answer = daemon.post(EVENT, {"text": "x", "value": 1}).response("amount")
    assert answer["responseCode"] == 400 and answer["responseDetail"] == "ERR", answer
    assert "not an integer" in answer["responseMessage"]


# Arguments, and what the load says of them; the place is that of the argument with the index.
REFUSED = [
    ([name], 0, f"COMMAND refuses {name.upper()}: ", hint) for name, hint in (
        ("SUBSCRIBE", "PUBLISH"), ("psubscribe", "PUBLISH"), ("SSubscribe", "PUBLISH"),
        ("UNSUBSCRIBE", "PUBLISH"), ("PUNSUBSCRIBE", "PUBLISH"), ("SUNSUBSCRIBE", "PUBLISH"),
        ("MONITOR", "redis-cli"), ("MULTI", "EVAL"), ("EXEC", "EVAL"), ("DISCARD", "EVAL"),
        ("WATCH", "EVAL"), ("UNWATCH", "EVAL"), ("SELECT", "url"), ("auth", "url"),
        ("HELLO", "url"), ("RESET", "pool"), ("quit", "pool"), ("CLIENT", "redis-cli"),
        ("ASKING", "server"), ("READONLY", "server"), ("READWRITE", "server"),
        ("SYNC", "redis-cli"), ("PSYNC", "redis-cli"), ("REPLCONF", "redis-cli"),
        ("SHUTDOWN", "redis-cli"), ("DEBUG", "redis-cli"), ("POST", "HTTP"), ("Host:", "HTTP"),
        ("WAIT", "min-replicas-to-write"), ("WAITAOF", "appendfsync"), ("blpop", "LPOP"),
        ("BRPOP", "RPOP"), ("BRPOPLPUSH", "RPOPLPUSH"), ("BLMOVE", "LMOVE"), ("BLMPOP", "LMPOP"),
        ("BZPOPMIN", "ZPOPMIN"), ("BZPOPMAX", "ZPOPMAX"), ("BZMPOP", "ZMPOP"))
] + [
    (["XREAD", "COUNT", 1, "BLOCK", 0, "STREAMS", "s", "$"], 3, "COMMAND refuses BLOCK: ",
     "without BLOCK"),
    (["XREAD", "{text}", 0, "STREAMS", "s", "$"], 1, "an option of XREAD takes no wildcard",
     "STREAMS"),
    (["SCRIPT", "DEBUG", "YES"], 1, "COMMAND refuses SCRIPT DEBUG: ", "redis-cli"),
    (["EVAL", "return '{text}'", 0], 1, "the script of EVAL takes no wildcard", "\\{"),
    (["{text}", "k"], 0, "the command's name takes no wildcard", "condition"),
    (["GET k"], 0, "the command's name is one word", "[GET, key]"),
    (["GET", {"a": 1}], 1, "args.1 cannot be a mapping", "one argument"),
    (["GET", None], 1, "args.1 cannot be null", "one argument"),
]


def test_what_command_refuses(project, redis_):
    redis_account(project, redis_)
    project.event(EVENT, [redis_command(*args, ident=f"do{number}")
                          for number, (args, *_) in enumerate(REFUSED)], ANY)
    with open(project.path(f"events/{EVENT}.yaml"), encoding="utf-8") as file:
        lines = file.read().split("\n")
    starts = [number for number, line in enumerate(lines, 1) if line.strip() == "args:"]
    done = cli("test", project=project.folder)
    assert done.returncode == 1
    for (args, index, text, hint), start in zip(REFUSED, starts):
        place = f"events/{EVENT}.yaml:{start + 1 + index}:"
        message = re.search(re.escape(place) + r"\d+: error: (.*)\n(?: .*\n)*? *hint: (.*)",
                            done.stderr)
        assert message, (args, place, done.stderr)
        assert message[1].startswith(text) and hint in message[2], (args, message[0])
    assert len(re.findall(": error: ", done.stderr)) == len(REFUSED), done.stderr
