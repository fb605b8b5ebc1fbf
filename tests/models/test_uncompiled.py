"""Processes of models start without torch's compiler, which nothing here uses."""

import subprocess
import sys

NUMBERS = """
import bitsandbytes, sys, torch
weights = torch.randn(64, 64, generator=torch.Generator().manual_seed(0))
packed, state = bitsandbytes.functional.quantize_4bit(weights, quant_type="nf4")
print(bitsandbytes.functional.dequantize_4bit(packed, state).double().sum().item())
"""
OURS = f"""
import adapter_ui.models
{NUMBERS}
assert "torch._inductor.compile_fx" not in sys.modules
assert torch.compile is not adapter_ui.models.uncompiled.as_written
"""


def printed(program: str) -> str:
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr[-2000:]
    return answer.stdout


def test_bitsandbytes_computes_the_same_without_the_compiler_loaded():
    assert printed(OURS) == printed(NUMBERS)
