"""Define the name of every span attribute once.

`langfuse.*` names are those that Langfuse's server reads first; `gen_ai.*` are OpenTelemetry's semantic
conventions for generative AI, which any other backend understands.
"""

from __future__ import annotations

import re
from typing import Final

# Langfuse: on every observation of a trace (its data model is one flat table of observations).
TRACE_NAME: Final = "langfuse.trace.name"
TRACE_TAGS: Final = "langfuse.trace.tags"
TRACE_METADATA: Final = "langfuse.trace.metadata."
SESSION_ID: Final = "session.id"
USER_ID: Final = "user.id"
ENVIRONMENT: Final = "langfuse.environment"
RELEASE: Final = "langfuse.release"
IS_APP_ROOT: Final = "langfuse.internal.is_app_root"

# Langfuse: one observation.
TYPE: Final = "langfuse.observation.type"
LEVEL: Final = "langfuse.observation.level"
STATUS_MESSAGE: Final = "langfuse.observation.status_message"
INPUT: Final = "langfuse.observation.input"
OUTPUT: Final = "langfuse.observation.output"
METADATA: Final = "langfuse.observation.metadata."
MODEL: Final = "langfuse.observation.model.name"
MODEL_PARAMETERS: Final = "langfuse.observation.model.parameters"
USAGE_DETAILS: Final = "langfuse.observation.usage_details"
COST_DETAILS: Final = "langfuse.observation.cost_details"
COMPLETION_START_TIME: Final = "langfuse.observation.completion_start_time"
PROMPT_NAME: Final = "langfuse.observation.prompt.name"
PROMPT_VERSION: Final = "langfuse.observation.prompt.version"

# OpenTelemetry semantic conventions.
PROVIDER: Final = "gen_ai.provider.name"
OPERATION: Final = "gen_ai.operation.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_ID: Final = "gen_ai.response.id"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS: Final = "gen_ai.usage.cache_write.input_tokens"
REASONING_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"
AGENT_NAME: Final = "gen_ai.agent.name"
ERROR_TYPE: Final = "error.type"

# Metadata keys that readers of the store rely on: the second is false where the usage is unknown.
ERROR_CATEGORY: Final = "error_category"
USAGE_KNOWN: Final = "usage_known"
COST_UNKNOWN: Final = "cost_unknown"
RETRIED: Final = "retried"  # the categories of the attempts that were tried again, in their order
REPAIRED: Final = "repaired"  # true where a reply that did not fit was shown to the model again
# Which prompt a generation was asked with, where no version in Langfuse's prompt management is known to say the same.
LOCAL_PROMPT_NAME: Final = METADATA + "prompt_name"
LOCAL_PROMPT_VERSION: Final = METADATA + "prompt_version"
PROMPT_VARIABLES: Final = METADATA + "prompt_variables"  # what its variables were, for a later version to be tried on
# A key of the cost details: nothing of the cost is known; in rows of earlier versions, some part is not.
UNKNOWN_COST: Final = "unknown"

# The names of providers in OpenTelemetry's list where ours differ; one that is not listed keeps its own name.
CONVENTIONAL_PROVIDERS: Final = {"claude": "anthropic", "gemini": "gcp.gemini", "xai": "x_ai"}

# Instrumentation scope: with this name Langfuse's server reads attributes once, not a second time as metadata.
SCOPE_NAME: Final = "langfuse-sdk"

# What MOONDEV_CAPTURE=metadata leaves out, by our names and by OpenTelemetry's.
TEXTS: Final = frozenset(
    {INPUT, OUTPUT, "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.prompt",
     "gen_ai.completion", "input.value", "output.value"}
)  # fmt: skip

# Attributes whose values our own code makes, without a text of a user or a provider: they are not redacted.
SAFE: Final = frozenset({TYPE, LEVEL, IS_APP_ROOT, COMPLETION_START_TIME, USAGE_DETAILS, COST_DETAILS})

# What their values look like where a user's code sets them; a value that looks different is redacted.
SAFE_SHAPES: Final = {
    TYPE: re.compile(r"[a-z]{1,20}"),
    LEVEL: re.compile(r"[A-Z]{1,10}"),
    COMPLETION_START_TIME: re.compile(r'"?\d{4}-\d\d-\d\dT[\d:.]{5,18}(?:Z|[+-]\d\d:\d\d)"?'),
    USAGE_DETAILS: (_NUMBERS := re.compile(r'\{(?:\s*"[a-z0-9_.]{1,60}"\s*:\s*-?\d[\d.eE+-]{0,24}\s*(?:,|(?=\})))*\}')),
    COST_DETAILS: _NUMBERS,
}
