"""What a reply must look like: problem documents, the reply of an event, and its look-up."""

import re

from servers import wait_until

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def check_problem(reply, status, *fragments):
    assert reply.status == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    problem = reply.json()
    assert set(problem) <= {"type", "title", "status", "detail", "message", "errors"}
    assert problem["status"] == status and problem["title"]
    assert problem["message"] == problem["detail"]
    for fragment in fragments:
        assert fragment in problem["message"], problem["message"]
    return problem


def is_milliseconds(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0


def check_task(task):
    """The members of one action's entry, exactly."""
    assert set(task) == {"id", "action", "response"}
    assert re.fullmatch(UUID, task["id"])
    assert set(task["action"]) == {"id", "name", "serviceAccountId", "serviceAction"}
    response = task["response"]
    required = {"status", "state", "responseTimeMS", "responseCode", "responsePayload",
                "startedMS", "attempts"}
    optional = {"truncated", "encoding", "responseMessage", "responseDetail"}
    assert required <= set(response) <= required | optional
    states = {"done": True, "failed": False, "retrying": False, "pending": None}
    assert response["status"] is states[response["state"]]
    assert is_milliseconds(response["startedMS"]) and response["attempts"] == 1
    if response["state"] in ("done", "failed"):
        assert is_milliseconds(response["responseTimeMS"])
        assert isinstance(response["responseCode"], int)
    assert ("responseMessage" in response) == (response["state"] in ("failed", "retrying"))
    return response


def check_reply(reply, event, environment, filters):
    """The whole document; its tasks by action id."""
    document = reply.json()
    assert set(document) == {"id", "event_name", "environment", "match", "match_rules",
                             "totalTimeMS"}
    assert re.fullmatch(UUID, document["id"])
    assert document["event_name"] == event and document["environment"] == environment
    matches = len(document["match_rules"])
    assert document["match"] == {"status": matches > 0, "total_rules": filters,
                                 "total_matches": matches}
    assert is_milliseconds(document["totalTimeMS"])
    assert not re.search(r'MS":\d+\.\d{4,}', reply.text), reply.text
    tasks = {}
    for rule in document["match_rules"]:
        assert set(rule) == {"id", "condition", "actions"}
        for task in rule["actions"]:
            tasks[task["action"]["id"]] = check_task(task)
    return tasks


def settled(daemon, ident, seconds=10):
    """The look-up of a run once nothing of it is pending."""
    found = []

    def is_settled():
        found[:] = [daemon.run(ident)]
        assert found[0].status == 200, found[0].text
        return '"pending"' not in found[0].text
    wait_until(is_settled, seconds, "the run's end")
    return found[0]
