"""The steps of the Fine-tune tab, one file each: data, recipe, check, run."""
