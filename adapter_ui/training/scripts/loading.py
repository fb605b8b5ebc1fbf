"""The parts of an exported script that load the base and put the adapter on it.

They say again what `adapter_ui.models.tuning` does: the same modules, precision and numbers at the start.
`$names` are filled in by `adapter_ui.training.scripts.script`, never with what a stranger wrote.
"""

from __future__ import annotations

from string import Template

LOAD = Template('''
def load(base, revision):
    """The frozen base under $what, and the tokenizer."""
    tokenizer = AutoTokenizer.from_pretrained(base, revision=revision)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right"
    config = AutoConfig.from_pretrained(base, revision=revision)$head
    set_seed(TRAINER["seed"])
    model = MODEL_CLASS.from_pretrained(
        base,
        revision=revision,
        config=config,
        dtype=DTYPE,
        use_safetensors=True,$any_head$quantization
    )
    if model.config.pad_token_id is None:
        model.config.pad_token_id = tokenizer.pad_token_id$prepared$adapted$afterwards
    adapter = model.peft_config["default"]
    adapter.base_model_name_or_path, adapter.revision = BASE, REVISION
    return model, tokenizer
''')

HEAD = """
    config.id2label = dict(enumerate(LABELS))
    config.label2id = {label: at for at, label in enumerate(LABELS)}"""

ANY_HEAD = """
        ignore_mismatched_sizes=True,  # a head for other classes is made anew"""

QUANTIZATION = {
    "int8": Template("BitsAndBytesConfig(load_in_8bit=True$left_out)"),
    **{
        kind: Template(f'''BitsAndBytesConfig(
    load_in_4bit=True, bnb_4bit_quant_type="{kind}", bnb_4bit_compute_dtype=COMPUTE_DTYPE$left_out
)''')
        for kind in ("nf4", "fp4")
    },
}

PREPARED = Template("""
    for module in model.modules():
        if isinstance(module, bitsandbytes.nn.Linear4bit):
            module.support_avx512bf16_for_cpu = False  # that kernel repacks weights and cannot train them
    model = prepare_model_for_kbit_training(model, $checkpointing)""")

CHECKPOINTING = 'gradient_checkpointing_kwargs={"use_reentrant": False}'
COMPUTE_DTYPE = (  # of 4-bit weights: not every CPU has products in bf16
    "torch.float32 if ON_CPU and not torch.ops.mkldnn._is_mkldnn_bf16_supported() else torch.bfloat16"
)

NO_CHECKPOINTING = "use_gradient_checkpointing=False"

NEW_ADAPTER = Template("""
    new = $config(**ADAPTER$chosen)
    model = get_peft_model(model, new)""")

CONTINUED_ADAPTER = """
    folder = Path(__file__).parent / STARTING_ADAPTER
    model = PeftModel.from_pretrained(model, folder, is_trainable=True)"""

CONTINUED_TOKENS = Template("""
    folder = Path(__file__).parent / STARTING_ADAPTER
    config = $config.from_pretrained(folder)
    config.inference_mode = False
    model = get_peft_model(model, config)  # PeftModel.from_pretrained makes no virtual tokens trainable
    set_peft_model_state_dict(model, load_file(folder / "adapter_model.safetensors"))""")

CONTINUED_NORMS = """
    train_norms_in_fp32(model)
    saved = load_file(folder / "adapter_model.safetensors")
    set_peft_model_state_dict(model, saved)  # once more: a 16-bit norm has rounded it"""

LINEAR_MODULES = '''
def linear_modules(model):
    """Names of all linear modules but the head, which is trained whole."""
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, (torch.nn.Linear, Conv1D)) and name.partition(".")[0] not in HEADS
    ]
'''

NORM_MODULES = '''
def norm_modules(model):
    """Names of all normalisation modules."""
    return [
        name
        for name, module in model.named_modules()
        if "norm" in type(module).__name__.lower() and any(True for _ in module.parameters(recurse=False))
    ]
'''

USUAL_TARGETS = Template('''
def usual_targets(model):
    """PEFT's own choice of modules for this kind of model, or all $kind ones where it has none."""
    return None if model.config.model_type in USUAL_TARGETS else $otherwise
''')

USUAL_FEEDFORWARD = '''
def usual_feedforward(model):
    """PEFT's own choice of the modules that are scaled at their input, or none where it has none."""
    return None if model.config.model_type in USUAL_FEEDFORWARD else []
'''

NORMS_IN_FP32 = '''
def train_norms_in_fp32(model):
    """A step of training is lost in the rounding of a 16-bit weight near 1."""
    for layer in model.modules():
        if isinstance(layer, LNTuningLayer):
            for norm in layer.ln_tuning_layers.values():
                norm.float()
                norm.register_forward_pre_hook(lambda _, inputs: (inputs[0].float(), *inputs[1:]))
'''

DTYPE_ASKED = '''
def answer_in_the_dtype_asked(model):
    """The adapter is in fp32, which some methods let leak into the answers of a smaller base's layers."""
    for module in model.modules():
        if isinstance(module, BaseTunerLayer):
            module.register_forward_hook(lambda _, inputs, output: output.to(inputs[0].dtype))
'''

LAST_TOKEN = '''
def classify_by_the_last_token(model):
    """PEFT hands learned tokens and rows to the base as embeddings, in which a decoder's classifier does not
    find where a row ends: it reads the last place of the batch, which is padding for all but the longest.
    """
    model.get_base_model().base_model.register_forward_hook(last_token_last, with_kwargs=True)


def last_token_last(layers, inputs, given, output):
    mask, states = given["attention_mask"], output.last_hidden_state
    last = (mask * torch.arange(mask.shape[1], device=mask.device)).argmax(-1).to(states.device)
    ends = states[torch.arange(len(states), device=states.device), last]
    output.last_hidden_state = torch.cat((states[:, :-1], ends.unsqueeze(1)), dim=1)
    return output
'''

TOKEN_IDS = '''
def token_ids(tokenizer):
    """The numbers of the tokens whose embeddings are trained."""
    return sorted({tokenizer.get_vocab()[token] for token in TOKENS})
'''
