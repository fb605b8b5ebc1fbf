"""Chat templates of the kinds that a conversation of several turns meets."""

from __future__ import annotations

ALTERNATING = """
{%- for message in messages %}
    {%- if (message.role == "user") != (loop.index0 % 2 == 0) %}
        {{- raise_exception("Conversation roles must alternate") }}
    {%- endif %}
    {{- "[" + message.role + "]" + message.content + "</s>" }}
{%- endfor %}
{%- if add_generation_prompt %}[assistant]{% endif %}"""

# as Qwen3's: thoughts stand in the last answer alone, empty ones too
THINKS_LAST = """
{%- for message in messages %}
    {%- set content = message.content.split("</think>") | last %}
    {{- "<|" + message.role + "|>" }}
    {%- if message.role == "assistant" and loop.last %}{{ "<think></think>" }}{% endif %}
    {{- content + "</s>;" }}
{%- endfor %}
{%- if add_generation_prompt %}<|assistant|>{% endif %}"""

# the prompt opens thoughts that no answer keeps, and only the last turn says that it is the last
OPENS_THOUGHTS = """
{%- for message in messages %}
    {{- "<" + message.role + ">" + message.content | trim + "</s>" }}
    {%- if loop.last and message.role == "assistant" %}!{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}<assistant><think>{% endif %}"""
