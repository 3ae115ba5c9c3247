"""The agents' prompts: built-in texts, which files or Langfuse's prompt management may replace."""

from src.agents.prompts.texts import BUILT_IN, aagent_prompt, agent_prompt, built_in

__all__ = ["BUILT_IN", "aagent_prompt", "agent_prompt", "built_in"]
