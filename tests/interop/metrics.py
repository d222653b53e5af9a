"""Reads /metrics with the parser of prometheus_client; tells each family's type, help text and number of samples, as JSON."""

import json
import sys

from prometheus_client.parser import text_string_to_metric_families

families = {}
for family in text_string_to_metric_families(sys.stdin.read()):
    if family.type == "histogram":
        by_labels = {}
        for sample in family.samples:
            labels = tuple(sorted((k, v) for k, v in sample.labels.items() if k != "le"))
            by_labels.setdefault(labels, []).append(sample)
        for samples in by_labels.values():
            counts = [s.value for s in samples if s.name.endswith("_bucket")]
            assert counts == sorted(counts), family.name
            assert samples[len(counts) - 1].labels["le"] == "+Inf", family.name
            assert {s.name[len(family.name):]: s.value for s in samples}["_count"] == counts[-1], family.name
    assert family.name not in families, family.name
    families[family.name] = {"type": family.type, "help": family.documentation, "samples": len(family.samples)}
json.dump(families, sys.stdout)
