"""What a round measures: processor time and memory from /proc, and what wrk printed."""

import json
import os
import re
import resource
import subprocess

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def stat_of(pid):
    """The fields of /proc/PID/stat from the state on (field 3 of proc(5) is [0]); None when gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def tree_of(root):
    """The stat fields of a process and of all its living descendants."""
    stats = {int(name): stat for name in os.listdir("/proc") if name.isdigit()
             if (stat := stat_of(name)) is not None}
    tree, todo = [], [root]
    while todo:
        pid = todo.pop()
        if pid in stats:
            tree.append(stats[pid])
            todo += [child for child, stat in stats.items() if int(stat[1]) == pid]
    return tree


def cpu_seconds(root):
    """User and system time of a process, all its threads, its descendants, and of those of them
    that have ended and were waited for."""
    return sum(int(field) for stat in tree_of(root) for field in stat[11:15]) / TICK


def rss_mib(root):
    return sum(int(stat[21]) for stat in tree_of(root)) * PAGE / 2**20


def machine():
    """Seconds of all processors so far: at work, stolen by a virtual machine's host, altogether."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, idle, wait, irq, softirq, steal = (
            int(field) / TICK for field in file.readline().split()[1:9])
    work = user + nice + system + irq + softirq
    return work, steal, work + steal + idle + wait


def children_seconds():
    """What our own children that have ended (wrk) have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def wrk(seconds, connections, script, url, arguments):
    """One run of wrk with one thread; the dictionary that the script's done() prints."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", script,
               url, "--", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30, check=False)
    found = re.search(r"^result (\{.*\})$", done.stdout, re.MULTILINE)
    if done.returncode != 0 or not found:
        raise RuntimeError(f"wrk failed: {done.stdout}{done.stderr}")
    return json.loads(found.group(1))


def median(values):
    values = sorted(values)
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2
