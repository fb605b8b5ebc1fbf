"""Methods that turn, scale or add to weights directly: rotations, vectors, spectra, single weights."""

from __future__ import annotations

ROTATIONS: dict[str, dict[str, str]] = {
    "BOFT": {
        "boft_block_size": "how large the blocks are that rotate",
        "boft_block_num": "how many blocks a module has, in place of their size",
        "boft_n_butterfly_factor": "how many sparse rotations follow one another",
        "boft_dropout": "share of the blocks left unturned",
    },
    "BEFT": {},
    "C3A": {
        "block_size": "how large the circulant blocks are; larger ones have fewer parameters",
        "block_size_pattern": "other sizes for some modules",
    },
    "FOURIERFT": {
        "n_frequency": "how many frequencies of each weight's change are learned",
        "n_frequency_pattern": "other numbers for some modules",
        "random_loc_seed": "the seed that says which frequencies they are",
    },
    "HRA": {
        "r": "how many reflections turn each weight",
        "apply_GS": "the reflections are kept orthogonal to one another",
    },
    "IA3": {
        "feedforward_modules": "those whose input is scaled, not their output",
        "init_ia3_weights": "whether it started as no change at all",
    },
    "LN_TUNING": {},
    "OFT": {
        "oft_block_size": "how large the blocks are that rotate",
        "r": "how many blocks a module has, in place of their size",
        "coft": "the rotation is kept near no rotation",
        "eps": "how near, with coft",
        "block_share": "all blocks of a module turn alike",
        "module_dropout": "share of the blocks left unturned",
        "use_cayley_neumann": "the rotation is approximated by a short series, which is faster",
        "num_cayley_neumann_terms": "how many terms that series has",
    },
    "ROAD": {
        "variant": "how many numbers each pair of outputs gets: road_1, road_2 or road_4",
        "group_size": "how outputs are grouped into the pairs that turn together",
    },
    "SHIRA": {
        "r": "how many single weights change: as many as a LoRA of this rank has",
        "mask_type": "how the weights that change were chosen",
        "random_seed": "the seed they were chosen with",
    },
    "SUPERTUNING": {
        "sparsity": "which share of the weights stays as it is",
        "select_top": "the largest weights change; if off, the smallest",
        "save_precomputed_indices": "whether the file says which weights change, or the base has to",
        "r": "the rank of a LoRA beside the single weights; none when empty",
        "lora_alpha": "the strength of that LoRA, set against its rank",
        "lora_dropout": "share of that LoRA's inputs dropped",
    },
    "WAVEFT": {
        "n_frequency": "how many wavelet coefficients of each weight's change are learned",
        "n_frequency_pattern": "other numbers for some modules",
        "proportional_parameters": "larger modules get more coefficients",
        "wavelet_family": "the shape of the wavelets",
        "use_idwt": "the coefficients are turned into weights by wavelets, or are weights themselves",
        "random_loc_seed": "the seed that says which coefficients they are",
    },
}
