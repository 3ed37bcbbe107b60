"""The text format of Prometheus, version 0.0.4, read as strictly as its page describes it."""

import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
HELP = re.compile(rf"# HELP ({NAME}) ((?:[^\\\n]|\\\\|\\n)*)")
TYPE = re.compile(rf"# TYPE ({NAME}) (counter|gauge|histogram)")
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? ([0-9]+(?:\.[0-9]+)?)")
UNITS = ("_seconds", "_bytes", "_info", "_total", "_connections", "_limit", "_files")


def labels_of(text):
    pairs = re.findall(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"', text or "")
    names = [name for name, _ in pairs]
    assert len(set(names)) == len(names), text
    unescaped = {name: re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), value)
                 for name, value in pairs}
    return frozenset(unescaped.items())


class Family:
    """One family: its type and samples, as {(suffix, labels): value}."""

    def __init__(self, name, text):
        self.name, self.help, self.type = name, text, None
        self.samples = {}

    def take(self, name, labels, value):
        suffix = name[len(self.name):]
        assert name.startswith(self.name), f"{name} stands in the family {self.name}"
        assert suffix in (("_bucket", "_sum", "_count") if self.type == "histogram" else ("",)), name
        assert (suffix, labels) not in self.samples, f"{name}{dict(labels)} stands twice"
        self.samples[suffix, labels] = value

    def check_histograms(self):
        """Buckets grow with their bounds, the last is +Inf and equals the count."""
        series = {}
        for (suffix, labels), value in self.samples.items():
            if suffix == "_bucket":
                bound = dict(labels)["le"]
                rest = frozenset(pair for pair in labels if pair[0] != "le")
                series.setdefault(rest, []).append((float(bound), value))
        for labels, buckets in series.items():
            assert buckets == sorted(buckets), (self.name, labels)
            assert [value for _, value in buckets] == sorted(value for _, value in buckets)
            assert buckets[-1][0] == float("inf")
            assert buckets[-1][1] == self.samples["_count", labels]
            assert ("_sum", labels) in self.samples
        assert len(self.samples) == sum(len(buckets) + 2 for buckets in series.values())


class Metrics:
    """A page that was read; anything that is not strictly right is an AssertionError."""

    def __init__(self, page):
        self.families = {}
        assert page.endswith("\n")
        family = None
        for line in page[:-1].split("\n"):
            if line.startswith("# HELP "):
                name, text = HELP.fullmatch(line).groups()
                assert name not in self.families, f"{name} stands twice"
                assert family is None or family.type, f"{family.name} has no TYPE"
                family = self.families[name] = Family(name, text)
            elif line.startswith("# TYPE "):
                name, kind = TYPE.fullmatch(line).groups()
                assert family.name == name and family.type is None and not family.samples, line
                family.type = kind
            else:
                match = SAMPLE.fullmatch(line)
                assert match, f"no sample: {line!r}"
                family.take(match[1], labels_of(match[2]), float(match[3]))
        for family in self.families.values():
            assert (family.type == "counter") == family.name.endswith("_total"), family.name
            assert family.help
            if family.type == "histogram":
                family.check_histograms()

    def get(self, name, suffix="", **labels):
        """The value of one sample; None: there is none."""
        return self.families[name].samples.get((suffix, frozenset(labels.items())))

    def sum(self, name, suffix="", **labels):
        """The sum of all samples that have these labels among theirs."""
        return sum(value for (own, theirs), value in self.families[name].samples.items()
                   if own == suffix and frozenset(labels.items()) <= theirs)

    def check_monotonic_since(self, before):
        """No counter, bucket or count is less than it was, and none has gone."""
        for name, family in before.families.items():
            if family.type == "gauge":
                continue
            for sample, value in family.samples.items():
                assert self.families[name].samples[sample] >= value, (name, sample)
