"""Methods whose modules share matrices or vectors, and learn little of their own."""

from __future__ import annotations

SHARED: dict[str, dict[str, str]] = {
    "FROD": {
        "sparse_rate": "which share of the rotation's other entries is trained",
        "projection_prng_key": "the seed that those entries are chosen with",
        "regularization_alpha": "a small number that keeps the shared basis computable",
        "runtime_offload_base_weight": "the base's weights rest on the CPU while they are not needed",
        "progressbar": "a progress bar while the shared basis is computed",
        "frod_dropout": "share of a module's inputs dropped",
    },
    "PVERA": {
        "r": "the rank of the random matrices that all modules share",
        "d_initial": "where the vector between them started",
        "sample_at_inference": "answers are drawn at random from what it learned, not from its mean",
        "generator_seed": "the seed of those draws",
        "pvera_dropout": "share of a module's inputs dropped",
    },
    "RANDLORA": {
        "r": "the rank of each random basis; many of them add up to a full-rank change",
        "randlora_alpha": "the strength set at training, set against the rank",
        "sparse": "most numbers of the random bases are zero",
        "very_sparse": "nearly all numbers of the random bases are zero",
        "randlora_dropout": "share of a module's inputs dropped",
    },
    "TINYLORA": {
        "r": "how many main directions of each weight it works in",
        "u": "how many numbers each group of modules learns",
        "weight_tying": "which share of the modules uses one vector together",
        "projection_seed": "the seed that the fixed random matrices are made from",
        "init_v_bound": "how far from zero its numbers started, with init_weights “uniform”",
        "tinylora_dropout": "share of a module's inputs dropped",
    },
    "UNILORA": {
        "r": "the rank of the LoRA that each module gets out of the one vector",
        "theta_d_length": "how many numbers are learned in all",
        "proj_seed": "the seed that says which number stands where",
        "save_indices": "whether the file says which number stands where, or the seed has to",
        "init_theta_d_bound": "how far from zero its numbers started",
        "unilora_dropout": "share of a module's inputs dropped",
    },
    "VBLORA": {
        "r": "the rank of the LoRA that each module puts together from the bank",
        "num_vectors": "how many vectors the shared bank has",
        "vector_length": "how long each of them is",
        "topk": "how many vectors are mixed into one piece",
        "save_only_topk_weights": "the file holds only the vectors chosen, so training cannot go on from it",
        "init_vector_bank_bound": "how far from zero the bank started",
        "init_logits_std": "how far apart the choices started",
        "vblora_dropout": "share of a module's inputs dropped",
    },
    "VERA": {
        "r": "the rank of the random matrices that all modules share",
        "d_initial": "where the vector between them started",
        "vera_dropout": "share of a module's inputs dropped",
    },
}
