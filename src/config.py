"""Set the user's switches. The environment variable of the same name overrides each.

Other packages read these lazily and by name, with a default for each, so a checkout that has its own
`src/config.py` keeps working without them.
"""

# Send traces to Langfuse when its keys are set. The local trace store is written either way.
ENABLE_LANGFUSE = True

# The model of an agent that names none: a provider, or None for the first one whose key is set, else the embedded model
# ("local"); and a model, or None for the provider's default.
AI_MODEL_PROVIDER: str | None = None
AI_MODEL: str | None = None
