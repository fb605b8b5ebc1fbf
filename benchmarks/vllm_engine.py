"""vLLM beside this app, for `engine.py --vllm PYTHON`: runs in vLLM's own environment, knows nothing of ours.

    PYTHON benchmarks/vllm_engine.py BASE TOKENS PROMPT ADAPTER...

PROMPT is a JSON list of token ids. Once the engine stands it prints a line; then for each line of standard
input, a JSON list with a number per answer (0 is the base, n the n-th adapter), it writes the answers and
prints the seconds they took, prompts included.
"""

from __future__ import annotations

import json
import os
import sys
import time

import torch
from vllm import LLM, SamplingParams
from vllm.lora.request import LoRARequest

RANK = 16
ROWS = 8


def main() -> None:
    base, tokens, prompt, *adapters = sys.argv[1:]
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # vLLM prints; only the seconds are ours
    engine = LLM(
        model=base,
        dtype="bfloat16",
        enable_lora=True,
        max_loras=len(adapters),
        max_lora_rank=RANK,
        max_model_len=512,
        max_num_seqs=ROWS,
        enable_prefix_caching=False,  # every answer reads its prompt, as in the other ways
        disable_log_stats=True,
    )
    options = SamplingParams(temperature=0, max_tokens=int(tokens), ignore_eos=True, detokenize=True)
    requests = [None, *(LoRARequest(f"a{n}", n, path) for n, path in enumerate(adapters, start=1))]
    print(json.dumps({"threads": torch.get_num_threads()}), file=answers, flush=True)
    for line in sys.stdin:
        chosen = [requests[number] for number in json.loads(line)]
        prompts = [{"prompt_token_ids": json.loads(prompt)} for _ in chosen]
        started = time.perf_counter()
        engine.generate(prompts, options, lora_request=chosen, use_tqdm=False)
        print(json.dumps(time.perf_counter() - started), file=answers, flush=True)


if __name__ == "__main__":
    main()
