"""What is known of judges: which models exist, what they take and cost, and what they are shown.

Plan, preflight and the embedded LLM provider service all ask this package, so that they cannot disagree.

- `manifest`, `catalogue`, `credentials`: the models, their prices and limits, and whether they can be asked here.
- `compatibility`: whether a model takes the parameters of a run (one check).
- `cost_bound`: the most that one call to a model can cost (one formula).
- `prompts`, `templates`, `answer_format`: the text that a judge is shown, and how its answer is read.

Example: the most that one comparison of two essays can cost with a built-in model.

    model = built_in().models[0].entry(attempts=6)
    judge = LLMConfigOverrides(max_tokens_override=500)
    essays = map(EssayLength.of, ["Ann is kind.", "Bo runs."])
    size = longest_prompt(task="Describe a friend.", criteria=None, essays=essays)
    call_at_most_usd(model, prompt_bytes=size, overrides=judge)    # Decimal, in USD
"""
