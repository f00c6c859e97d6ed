"""The objectives by name, and what each needs of a network."""

SPR = {"lbr_spr": "mixture", "lbr_spr_hard": "hard", "lbr_spr_linear": "linear", "lbr_spr_huber": "huber"}
LATENT_TERMS = ("mle", "l2_latent", "reference", "constriction_inside", "constriction_on")  # weighted by --lambda
# They train the autoencoder, so that a bundle of them scores as any other.
AUTOENCODER = (*LATENT_TERMS, "mse", "early_stop", *SPR)
# They have networks of their own.
ON_CLIPS = ("gcl", "tmae", "roadmap_lite", "dast_lite", "gan_lite")
# Their papers train them on normal frames alone.
ONE_CLASS = ("constriction_inside", "constriction_on", "roadmap_lite", "dast_lite", "gan_lite")
# They learn from drives that are tagged as a whole.
TAGGED = ("mil",)
OBJECTIVES = (*AUTOENCODER, *ON_CLIPS, *TAGGED)
