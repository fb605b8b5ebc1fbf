"""The parts of an exported script that train: the Trainer, what it is told, and what is saved.

They say again what `adapter_ui.models.train` does. `$names` are filled in by
`adapter_ui.training.scripts.script`, never with what a stranger wrote.
"""

from __future__ import annotations

from string import Template

ACCURACY = """
def accuracy(prediction):
    return {"accuracy": float((prediction.predictions.argmax(-1) == prediction.label_ids).mean())}
"""

TRAIN = Template("""
def train(base, revision, output):
    model, tokenizer = load(base, revision)$first
    rows, held_back = read_rows(tokenizer, row_limit(model, tokenizer))
    processes = int(os.getenv("WORLD_SIZE", "1"))
    if BATCH_SIZE % processes:
        raise SystemExit(f"{processes} processes cannot share batches of {BATCH_SIZE} rows evenly.")
    share = BATCH_SIZE // processes
    arguments = TrainingArguments(
        output_dir=output,
        **TRAINER,
        per_device_train_batch_size=share,
        per_device_eval_batch_size=share,
        eval_strategy="epoch" if held_back else "no",
        save_strategy="no",
        logging_steps=1,
        logging_nan_inf_filter=False,
        report_to="none",
        remove_unused_columns=False,
        label_names=$label_names,
        dataloader_pin_memory=not ON_CPU,
        use_cpu=ON_CPU,
        fp16=$fp16,
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        eval_dataset=held_back or None,
        processing_class=tokenizer,
        data_collator=$collator(tokenizer$decoder),$more
    )$averaged$ordered
    trainer.train()
    if trainer.is_world_process_zero():
        trainer.save_state()
        model.save_pretrained(output, save_embedding_layers=False)$plain$labelled


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--base", help="a folder with the base, instead of the Hub")
    parser.add_argument("--output", default="adapter")
    given = parser.parse_args()
    train(given.base or BASE, None if given.base else REVISION, given.output)
    if torch.distributed.is_initialized():  # else gloo's threads may outlive Python, and crash
        torch.distributed.destroy_process_group()
""")

ORDER_OF_SEED = """
class OrderOfSeed(TrainerCallback):
    def on_epoch_begin(self, args, state, control, train_dataloader, **_):
        batches = train_dataloader.batch_sampler
        sampler = getattr(batches, "batch_sampler", batches).sampler  # one of several processes has a share
        sampler.batch_size = BATCH_SIZE * args.gradient_accumulation_steps
        sampler.generator = torch.Generator().manual_seed(args.seed + int(state.epoch or 0))
"""
"""The order of rows that the app's runs have where rows of about one length share a batch."""

ORDERED = """
    trainer.add_callback(OrderOfSeed())
    trainer._get_eval_sampler = torch.utils.data.SequentialSampler  # else these rows change places too"""

SHARE_OF_STEP = '''
def share_of_step(outputs, labels, num_items_in_batch=None):
    """The batch's share of the loss of a step, which may have several passes and processes; these models
    would average each batch by itself.
    """
    logits = outputs["logits"]
    if labels.dim() > 1:
        logits = logits[:, -labels.shape[1] :]
    items = (labels != IGNORED).sum() if num_items_in_batch is None else num_items_in_batch
    summed = torch.nn.functional.cross_entropy(
        logits.flatten(0, -2).float(), labels.flatten(), ignore_index=IGNORED, reduction="sum"
    )
    return summed / items
'''

AVERAGED = """
    trainer.model_accepts_loss_kwargs = False  # AdaLoRA adds a term of its own to the model's loss"""

RANK_BUDGET = '''
class RankBudget(TrainerCallback):
    """Tells AdaLoRA how long the training is, and after each step lets it move rank between modules."""

    def on_train_begin(self, args, state, control, model, **kwargs):
        config = model.peft_config["default"]
        self.weight = self.share = config.orth_reg_weight
        if config.task_type == "CAUSAL_LM":  # its loss is a share of the step's; the added term has to be too
            self.share /= args.gradient_accumulation_steps * args.world_size
        config.total_step = state.max_steps
        config.tinit, config.tfinal = int(0.1 * state.max_steps), int(0.3 * state.max_steps)

    def on_step_begin(self, args, state, control, model, **kwargs):
        model.peft_config["default"].orth_reg_weight = self.share

    def on_step_end(self, args, state, control, model, **kwargs):
        model.peft_config["default"].orth_reg_weight = 0.0  # what is held back is measured by its loss alone

    def on_train_end(self, args, state, control, model, **kwargs):
        model.peft_config["default"].orth_reg_weight = self.weight

    def on_optimizer_step(self, args, state, control, model, **kwargs):
        if state.max_steps > 1:
            model.base_model.update_and_allocate(state.global_step + 1)
'''

PLAIN_LORA = '''
def save_as_plain_lora(model, first, output):
    """The start took the product of the first factors out of the base's weights. For the base as it was, the
    trained factors and the first ones with a minus say the same, at twice the rank.
    """
    plain = get_peft_model_state_dict(model, save_embedding_layers=False)
    for name, trained in plain.items():
        if "lora_A" in name:
            plain[name] = torch.cat([trained, first[name]], dim=0)
        elif "lora_B" in name:
            plain[name] = torch.cat([trained, -first[name]], dim=1)
    file = Path(output) / "adapter_model.safetensors"
    save_file({name: value.contiguous() for name, value in plain.items()}, file, metadata={"format": "pt"})
    file = Path(output) / "adapter_config.json"
    config = json.loads(file.read_text())
    config["lora_alpha"] *= 2**0.5 if config["use_rslora"] else 2
    config["r"] *= 2
    config["init_lora_weights"] = True
    file.write_text(json.dumps(config, indent=2))
'''

FIRST_FACTORS = """
    saved = get_peft_model_state_dict(model, save_embedding_layers=False)
    first = {name: value.clone() for name, value in saved.items()}"""

SAVE_PLAIN = """
        save_as_plain_lora(model, first, output)"""

LABELLED = """
        names = json.dumps(LABELS, ensure_ascii=False)
        (Path(output) / "label_names.json").write_text(names, encoding="utf-8")"""

COLLATORS = {
    "CAUSAL_LM": "DataCollatorForSeq2Seq",
    "SEQ_CLS": "DataCollatorWithPadding",
    "TOKEN_CLS": "DataCollatorForTokenClassification",
    "SEQ_2_SEQ_LM": "DataCollatorForSeq2Seq",
    "QUESTION_ANS": "DataCollatorWithPadding",
}
