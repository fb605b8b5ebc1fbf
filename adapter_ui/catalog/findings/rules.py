"""All rules, put together (pure).

A blocker means that a load must be refused. Each rule is a generator over one kind of evidence; each message
is one sentence with a way out.
"""

from __future__ import annotations

from dataclasses import replace

from adapter_ui.catalog.findings.base import base_findings
from adapter_ui.catalog.findings.config import config_findings
from adapter_ui.catalog.findings.evidence import Evidence
from adapter_ui.catalog.findings.files import file_findings
from adapter_ui.catalog.findings.tensors import tensor_findings
from adapter_ui.domain import Finding, Level

ORDER = tuple(reversed(Level))


def find(evidence: Evidence, peft_version: str) -> tuple[Finding, ...]:
    """All findings, what matters most first. `peft_version` is the installed one."""
    found = list(evidence.problems)
    found += file_findings(evidence)
    if evidence.config is not None:
        found += config_findings(evidence.config, peft_version)
        found += base_findings(evidence, evidence.config)
        if evidence.tensors is not None:
            found += tensor_findings(evidence.config, evidence.tensors, evidence.base)
    in_order = sorted(found, key=lambda finding: ORDER.index(finding.level))
    # A stranger's names stand in the messages, and their line breaks with them.
    return tuple(replace(finding, message=" ".join(finding.message.split())) for finding in in_order)
