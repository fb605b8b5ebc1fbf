"""All rules, put together (pure).

A blocker means that a load must be refused. Each rule is a generator over one kind of evidence; each message
is one sentence with a way out. `codes.py` lists what they may say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from adapter_ui.catalog.findings.base import base_findings
from adapter_ui.catalog.findings.bounds import bound_findings
from adapter_ui.catalog.findings.config import config_findings
from adapter_ui.catalog.findings.evidence import Evidence
from adapter_ui.catalog.findings.files import file_findings
from adapter_ui.catalog.findings.fits import fit_findings
from adapter_ui.catalog.findings.heads import head_findings
from adapter_ui.catalog.findings.licenses import license_findings
from adapter_ui.catalog.findings.tensors import tensor_findings
from adapter_ui.catalog.findings.values import value_findings
from adapter_ui.catalog.profiles.config import AdapterConfig
from adapter_ui.domain import Finding, Level

ORDER = tuple(reversed(Level))
LONGEST_MESSAGE = 480


def find(evidence: Evidence, peft_version: str) -> tuple[Finding, ...]:
    """All findings, what matters most first. `peft_version` is the installed one."""
    found = [*evidence.problems, *file_findings(evidence), *license_findings(evidence)]
    if evidence.config is not None:
        found += config_findings(evidence.config, peft_version)
        found += base_findings(evidence, evidence.config)
        found += weight_findings(evidence, evidence.config)
    in_order = sorted(found, key=lambda finding: ORDER.index(finding.level))
    return tuple(replace(finding, message=one_line(finding.message)) for finding in in_order)


def weight_findings(evidence: Evidence, config: AdapterConfig) -> Iterator[Finding]:
    """What the weights file adds, where its table of tensors could be read."""
    tensors = evidence.tensors
    if tensors is None:
        return
    yield from tensor_findings(config, tensors, evidence.base)
    if tensors:
        yield from head_findings(config, tensors, evidence.base)
        yield from bound_findings(config, tensors, evidence.base)
        yield from fit_findings(evidence, config)
    if evidence.values is not None:
        yield from value_findings(config, tensors, evidence.values)


def one_line(message: str) -> str:
    """A stranger's names stand in the messages, and their line breaks with them."""
    text = " ".join(message.split())
    return text if len(text) <= LONGEST_MESSAGE else f"{text[:LONGEST_MESSAGE]}…."
