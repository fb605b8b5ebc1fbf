"""A Hub of more than 300 varied adapters, made by PEFT, with what plain PEFT and safetensors say of each."""
