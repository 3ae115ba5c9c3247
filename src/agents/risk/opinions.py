"""Ask a model for its opinion of a verdict, until a deadline that nothing the model does can move."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
import time
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pydantic

from src.agents.decisions import Confidence, refuse_two_spellings
from src.agents.prompts import agent_prompt
from src.agents.swarm.loops import Loop
from src.models.errors import ModelError
from src.prompts import PromptError, config_temperature

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.models.base_model import BaseModel

LONGEST_COMMENT = 400
# What is left of the time, at most a quarter of a second, is for ending the call and its trace in good order.
_SHARE_OF_MODEL: Final = 0.9
_LONGEST_ENDING_S: Final = 0.25
_PATIENCE_S: Final = 1.0


class RiskOpinion(pydantic.BaseModel):
    """The model's opinion of a verdict. What may cancel a limit is read strictly: `override` is true or false alone."""

    model_config = pydantic.ConfigDict(frozen=True, title="risk_opinion", extra="forbid")

    override: pydantic.StrictBool
    confidence: Confidence
    comment: str = pydantic.Field(max_length=LONGEST_COMMENT)

    @pydantic.model_validator(mode="before")
    @classmethod
    def _single_spelling(cls, value: Any) -> Any:
        refuse_two_spellings(value)
        return value

    @pydantic.field_validator("comment", mode="before")
    @classmethod
    def _cut(cls, value: Any) -> Any:
        return value[:LONGEST_COMMENT] if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class Answer:
    """A model's opinion and its cost in US dollars, or why there is none."""

    opinion: RiskOpinion | None = None
    cost_usd: float | None = None
    error: str | None = None


class Inquiry:
    """A question to a model, asked in a daemon thread with its own event loop, so that no caller has to wait for it.

    Args:
        model: Returns the model; called on that thread, since making a model may take long.
        case: The case as text.
        deadline: When the answer must be there, on the monotonic clock.
    """

    def __init__(self, model: Callable[[], BaseModel], case: str, deadline: float) -> None:
        self._model = model
        self._case = case
        self._deadline = deadline
        self._is_abandoned = False
        self._answer: Future[Answer] = Future()
        self._running: tuple[asyncio.AbstractEventLoop, asyncio.Task[None]] | None = None
        context = contextvars.copy_context()  # so that the model's generation belongs to the run that asks
        try:
            threading.Thread(target=context.run, args=(self._work,), name="moondev-risk", daemon=True).start()
        except RuntimeError as error:  # there are too many threads, or the interpreter ends
            self._deliver(Answer(error=_described(error)))

    def answer(self) -> Answer:
        """Return the answer, or at the deadline that there is none."""
        try:
            return self._answer.result(self._left_s())
        except TimeoutError:
            return self._late()
        except BaseException:
            self._abandon()
            raise

    async def aanswer(self) -> Answer:
        """Do what `answer` does, in asyncio."""
        answer = asyncio.wrap_future(self._answer)
        try:
            done, _ = await asyncio.wait((answer,), timeout=self._left_s())
        except BaseException:
            self._abandon()
            raise
        if done:
            return answer.result()
        answer.cancel()
        return self._late()

    def _left_s(self) -> float:
        return max(self._deadline - time.monotonic(), 0.0)

    def _late(self) -> Answer:
        """Give up an answer. The call ends by its own timeout as soon as its loop has control; else it is cancelled."""
        self._abandon(_PATIENCE_S)
        return Answer(error="The model gave no answer by the deadline of the verdict.")

    def _abandon(self, after_s: float = 0.0) -> None:
        """Cancel the call, so that its generation ends; where its thread hangs, it is left behind."""
        self._is_abandoned = True
        if self._running is None:
            return
        loop, task = self._running
        reason = "timeout" if after_s else None
        with contextlib.suppress(RuntimeError):  # the loop has closed
            loop.call_soon_threadsafe(loop.call_later, after_s, task.cancel, reason)

    def _work(self) -> None:
        try:
            with asyncio.Runner(loop_factory=Loop) as runner:
                runner.run(self._ask())
        except BaseException as error:  # noqa: BLE001 - a model that fails never changes a verdict
            self._deliver(Answer(error=_described(error)))

    async def _ask(self) -> None:
        """Ask the model and deliver its answer, before the loop closes its connections."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - this is one
        self._running = asyncio.get_running_loop(), task
        try:
            answer = await self._ask_model()
        except Exception as error:  # noqa: BLE001 - as above
            answer = Answer(error=_described(error), cost_usd=getattr(error, "cost_usd", None))
        self._deliver(answer)

    async def _ask_model(self) -> Answer:
        model, prompt = self._model(), agent_prompt("risk")
        left_s = self._left_s()
        if left_s <= 0 or self._is_abandoned:  # the caller has left: nothing is sent or paid for
            return Answer(cost_usd=0.0, error="The model was not ready by the deadline of the verdict.")
        reply = await model.agenerate_response(
            prompt.bind().text,
            self._case,
            temperature=config_temperature(prompt, 0.2),
            response_format=RiskOpinion,
            langfuse_prompt=prompt,
            timeout=max(left_s * _SHARE_OF_MODEL, left_s - _LONGEST_ENDING_S),
        )
        if isinstance(reply.parsed, RiskOpinion):
            return Answer(opinion=reply.parsed, cost_usd=reply.cost_usd)
        return Answer(cost_usd=reply.cost_usd, error="The model called a tool instead of giving its opinion.")

    def _deliver(self, answer: Answer) -> None:
        with contextlib.suppress(InvalidStateError):  # the caller has left
            self._answer.set_result(answer)


def _described(error: BaseException) -> str:
    """Return an error as one line without secrets."""
    if isinstance(error, ModelError | PromptError):
        return str(error)
    from src.observability.redaction import redact_text

    return redact_text(f"{type(error).__name__}: {error}".partition("\n")[0])
