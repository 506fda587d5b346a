"""The offline baseline judge: measurable properties of a text, no language model."""
